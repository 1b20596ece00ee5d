/* GPT-NeoX-Japanese with packed weights on a CPU, from the embedded tokens to the logits: products with weights in 4, 5, 6 and 8
 * bits and in fp16 (gemm.h), and around them the norms, GELU, rotary embedding and attention. build.py compiles it, network.py calls it.
 *
 * A row's numbers never depend on the rows beside it, nor on the number of threads: sums run in an order of their own.
 * All tensors are contiguous, float32 where nothing else is said; shapes as in the rest of the package.
 */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "gemm.h"
#include "round.h"
#include "team.h"

/* ---- what Python passes: the same structures are mirrored in weights.py and network.py, which compare the sizes */

typedef struct { const void *values; const float *scale; /* (out,) of 8 bits */ int64_t bits; /* 16: fp16 */ } Weight;
typedef struct { const float *weight, *bias; float eps; } Norm;

typedef struct {
  Norm input_layernorm, post_attention_layernorm;
  Weight query_key_value, dense, dense_h_to_4h, dense_4h_to_h;
  const float *dense_bias; /* (hidden,), or NULL */
} Layer;

typedef struct {
  int64_t hidden, heads, intermediate, rotary; /* sizes; `rotary`: how many channels of a head are rotated */
  const float *cos, *sin;                      /* of position p from p * stride on; the sine with the sign of rotate-half */
  int64_t stride, positions;                   /* positions: rows of these tables */
} Shape;

typedef struct { Norm norm; Weight weight; int64_t vocab; } Output;
typedef struct { int64_t first, count, past; } Sequence;    /* its new rows among all, and how many tokens its cache holds */
/* Keys, behind them values: (heads, capacity) rows each, of kv_row_bytes. */
typedef struct { void *keys; int64_t capacity, format; } KVView;
enum { KV_FLOAT32, KV_FLOAT16, KV_INT8, KV_FORMATS }; /* an int8 row ends with its scale, a float */

_Static_assert(sizeof(Weight) == 24 && sizeof(Norm) == 24 && sizeof(Layer) == 152, "as weights.py and network.py have them");
_Static_assert(sizeof(Shape) == 64 && sizeof(Output) == 56 && sizeof(Sequence) == 24 && sizeof(KVView) == 24, "as network.py has them");

/* What the functions below return. */
enum {
  OK, WORKSPACE_TOO_SMALL, CACHE_TOO_SMALL, ROW_OUT_OF_RANGE, POSITION_OUT_OF_RANGE, TOO_MANY_INPUTS, UNKNOWN_CACHE_FORMAT, WRONG_BITS
};

/* ---- arithmetic on rows */

static void layer_norm(const float *x, int64_t size, const Norm *norm, float *to) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < size; k++) sum += x[k];
  float mean = sum / size;
#pragma omp simd reduction(+ : squares)
  for (int64_t k = 0; k < size; k++) squares += (x[k] - mean) * (x[k] - mean);
  float factor = 1 / sqrtf(squares / size + norm->eps);
#pragma omp simd
  for (int64_t k = 0; k < size; k++) to[k] = (x[k] - mean) * factor * norm->weight[k] + norm->bias[k];
}

static int64_t round_up(int64_t count, int64_t to) { return (count + to - 1) / to * to; }
static int in_groups(const Weight *w) { return w->bits < 8; }
static int64_t width_of(int64_t in, const Weight *w) { return round_up(in, in_groups(w) ? GROUP : 4); } /* of a row in whole numbers */

/* A row in whole numbers from -127 to 127, filled with zeros up to `width`. Returns their sum; `absmax` gets the largest
 * magnitude, NaN where one number is NaN, so that the whole product is. Infinity makes the product infinite or NaN. */
static int32_t quantize(const float *x, int64_t in, int64_t width, int8_t *to, float *absmax) {
  const float steps = 1 / (float)(1 / 127.0);
  float largest = 1e-30f;
  int32_t sum = 0, nans = 0;
#pragma omp simd reduction(max : largest) reduction(| : nans)
  for (int64_t k = 0; k < in; k++) {
    largest = fabsf(x[k]) > largest ? fabsf(x[k]) : largest;
    nans |= x[k] != x[k];
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < in; k++) {
    float from_zero = fmaf(x[k] / largest, steps, 128);                          /* 1 to 255: fbgemm rounds as it counts from 128 */
    int32_t value = (int32_t)rintf(from_zero < 256 ? from_zero : 128) - 128;    /* NaN of Inf / Inf has no whole number: 0 */
    to[k] = (int8_t)value;
    sum += value;
  }
  memset(to + in, 0, width - in);
  *absmax = nans ? NAN : largest;
  return sum;
}

/* Row x (width,) in whole numbers as `gemm_group` reads it beside others, `rows` in all: every four numbers, and what is added to the
 * sum of each group. */
static void group_row(const int8_t *x, int64_t width, int zero, int rows, int32_t *fours, int32_t *shifts) {
  for (int64_t g = 0; g < width / GROUP; g++) {
    int32_t sum = 0;
    for (int k = 0; k < GROUP; k++) sum += x[g * GROUP + k];
    shifts[g * rows] = -zero * sum;
    for (int v = 0; v < GROUP_VECTORS; v++) memcpy(fours + (g * GROUP_VECTORS + v) * rows, x + g * GROUP + 4 * v, 4);
  }
}

/* e to the power of x <= 0 (Cephes' polynomial: an error of 2 units in the last place); 0 below -80, where the result would soon be
 * denormal, which processors compute a hundred times slower. NaN stays NaN. */
INLINE float exp_negative(float x) {
  float whole = rintf(x * 1.44269504f), r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  int32_t bits = ((int32_t)(whole >= -126 ? whole <= 0 ? whole : 0 : -126) + 127) << 23; /* also of NaN a number */
  float power;
  memcpy(&power, &bits, 4);
  return x < -80 ? 0 : p * power;
}

/* x · Φ(x), the error function by Abramowitz and Stegun 7.1.26 (an error of 1.5e-7), as in torch's vectors. */
INLINE float gelu(float x) {
  float z = fabsf(x) * 0.70710678f, t = 1 / (1 + 0.3275911f * z);
  float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  float tail = p * exp_negative(-z * z); /* 1 - erf(z) */
  return 0.5f * x * (x < 0 ? tail : 2 - tail);
}

static void softmax(float *scores, int64_t count) {
  float largest = -INFINITY, total = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t s = 0; s < count; s++) largest = scores[s] > largest ? scores[s] : largest;
#pragma omp simd reduction(+ : total)
  for (int64_t s = 0; s < count; s++) {
    scores[s] = exp_negative(scores[s] - largest);
    total += scores[s];
  }
  for (int64_t s = 0; s < count; s++) scores[s] /= total;
}

/* Rotate one head's query or key for its position. */
static void rope(float *x, const Shape *s, int64_t position) {
  const float *cos = s->cos + position * s->stride, *sin = s->sin + position * s->stride;
  int64_t half = s->rotary / 2;
  for (int64_t d = 0; d < half; d++) {
    float first = x[d], second = x[d + half];
    x[d] = first * cos[d] + second * sin[d];
    x[d + half] = second * cos[d + half] + first * sin[d + half];
  }
}

/* ---- the workspace of a call: one block of memory, divided into aligned parts */

#define ALIGNMENT 64

/* Rows as a product takes them: floats for fp16; else whole numbers, each row's largest magnitude and, for int8, their sum, for groups
 * the numbers and shifts of up to MR rows side by side, as `gemm_group` reads them. */
typedef struct {
  const float *floats;
  float *prepared;
  int8_t *quantized;
  float *absmax;
  int32_t *sums, *fours, *shifts;
} Rows;
typedef struct { Rows rows; float *intermediate, *qkv, *attended, *scores; } Workspace;
typedef struct { char *base; int64_t bytes, used; } Arena; /* it only counts what there is no room for */

static void *arena_alloc(Arena *arena, int64_t bytes) {
  int64_t start = arena->used;
  arena->used += round_up(bytes, ALIGNMENT);
  return arena->used <= arena->bytes ? arena->base + start : NULL;
}

static Rows alloc_rows(Arena *arena, int64_t rows, int64_t in) {
  float *prepared = arena_alloc(arena, rows * in * (int64_t)sizeof(float));
  int8_t *quantized = arena_alloc(arena, round_up(rows, TILE_MR) * round_up(in, GROUP)); /* tiles read whole blocks of rows */
  float *absmax = arena_alloc(arena, rows * (int64_t)sizeof(float));
  int32_t *sums = arena_alloc(arena, rows * (int64_t)sizeof(int32_t));
  int32_t *fours = arena_alloc(arena, rows * round_up(in, GROUP));
  return (Rows){NULL, prepared, quantized, absmax, sums, fours, arena_alloc(arena, rows * (round_up(in, GROUP) / 8))};
}

static Workspace alloc_workspace(Arena *arena, const Shape *s, int64_t rows, int64_t logits, int64_t max_len, int32_t threads) {
  int64_t width = s->intermediate > s->hidden ? s->intermediate : s->hidden;
  Workspace w = {.rows = alloc_rows(arena, rows > logits ? rows : logits, width)};
  w.intermediate = arena_alloc(arena, rows * s->intermediate * (int64_t)sizeof(float));
  w.qkv = arena_alloc(arena, rows * 3 * s->hidden * (int64_t)sizeof(float));
  w.attended = arena_alloc(arena, rows * s->hidden * (int64_t)sizeof(float));
  w.scores = arena_alloc(arena, threads * ATTN_ROWS * max_len * (int64_t)sizeof(float));
  return w;
}

/* ---- the steps of a forward, which all threads of a team take together; each ends at a barrier */

/* x (rows, in), or those rows of it that `chosen` names, through `norm` where one is given, as a product with `weight` takes them. */
static void prepare(const Worker *worker, const float *x, const int64_t *chosen, int64_t rows, int64_t in, const Norm *norm,
                    const Weight *weight, Rows *to) {
  int64_t width = width_of(in, weight);
  const float *from = norm || chosen ? to->prepared : x;
  FOR_MY_SHARE(worker, r, rows) {
    const float *row = x + (chosen ? chosen[r] : r) * in;
    if (r == 0) to->floats = from;
    if (norm)
      layer_norm(row, in, norm, to->prepared + r * in);
    else if (chosen)
      memcpy(to->prepared + r * in, row, in * sizeof(float));
    if (weight->bits < 16) to->sums[r] = quantize(from + r * in, in, width, to->quantized + r * width, to->absmax + r);
    if (in_groups(weight)) {
      int64_t first = r / MR * MR, here = rows - first < MR ? rows - first : MR;
      group_row(to->quantized + r * width, width, group_zero(weight->bits), here, to->fours + first * (width / 4) + r - first,
                to->shifts + first * (width / GROUP) + r - first);
    }
  }
  barrier(worker);
}

/* Whether weights of at least so many numbers lie in huge pages (pages.py): Python says so before the first product. */
#define HUGE_NUMBERS (1 << 22)
static int huge_pages = 0;

/* y (rows, out) = x (rows, in) · weightᵀ, then GELU, `bias` (out,) and `residual` (rows, out) added, each where it is asked for. */
static void linear(const Worker *worker, const Weight *w, const Rows *x, int64_t rows, int64_t in, int64_t out, float *y,
                   int with_gelu, const float *bias, const float *residual) {
  const float step = (float)(1 / 127.0);
  int64_t panels = round_up(out, PANEL) / PANEL, width_in = width_of(in, w), groups = width_in / GROUP;
  int tiles = w->bits == 8 && rows >= TILE_MIN && width_in % 64 == 0 && tiles_permitted(), mr = tiles ? TILE_MR : MR;
  TileConfig before;
  if (tiles) tiles_begin(&before);
  /* Many rows of floats keep the processor busy, and unpacking groups does: there it is faster when asked. */
  weights_prefetched = !(huge_pages && in * out >= HUGE_NUMBERS && (w->bits == 8 || (w->bits == 16 && rows <= 4)));
  /* Neighbouring parts: what is requested ahead of its use at the end of one is the next. */
  int64_t parts = round_up(panels, NR) / NR, until = parts * (worker->index + 1) / worker->size;
  for (int64_t part = parts * worker->index / worker->size; part < until; part++) {
    int64_t first = part * NR, last = first + NR < panels ? first + NR : panels;
    for (int64_t r = 0; r < rows; r += mr) {
      int here = rows - r < mr ? rows - r : mr, n;
      for (int64_t p = first; p < last; p += n) {
        union { F32Sums floats[TILE_MR]; I32Sums whole[TILE_MR]; } sums;
        n = in_groups(w) ? NR : tiles ? (int)(last - p) : next_panels(last - p, here);
        if (tiles)
          gemm_tiles(n, x->quantized + r * width_in, width_in, (const uint8_t *)w->values + p * width_in * PANEL, sums.whole);
        else if (in_groups(w))
          GEMM_GROUP[w->bits - 4][here - 1](x->fours + r * (width_in / 4), x->shifts + r * groups, groups,
                                            (const uint8_t *)w->values + part * groups * GROUP_BLOCK_BYTES(w->bits), sums.floats);
        else if (w->bits == 8)
          GEMM_INT8[here - 1][n / 2](x->quantized + r * width_in, width_in, (const uint8_t *)w->values + p * width_in * PANEL, sums.whole);
        else
          GEMM_FP16[here - 1][n / 2](x->floats + r * in, in, (const uint16_t *)w->values + p * in * PANEL, sums.floats);
        int64_t o = p * PANEL, width = out - o < n * PANEL ? out - o : n * PANEL;
        for (int i = 0; i < here; i++) {
          float *from = sums.floats[i], *to = y + (r + i) * out + o;
          if (in_groups(w)) {
            const float unit = group_unit(w->bits) * step, absmax = x->absmax[r + i];
            for (int64_t c = 0; c < width; c++) from[c] = from[c] * unit * absmax;
          }
          if (w->bits == 8) {
            const float *scale = w->scale + o, absmax = x->absmax[r + i];
            int32_t shift = ZERO_POINT * x->sums[r + i];
            for (int64_t c = 0; c < width; c++) from[c] = (float)(sums.whole[i][c] - shift) * (scale[c] * step) * absmax;
          }
          if (with_gelu)
            for (int64_t c = 0; c < width; c++) from[c] = gelu(from[c]);
          if (bias)
            for (int64_t c = 0; c < width; c++) from[c] += bias[o + c];
          if (residual)
            for (int64_t c = 0; c < width; c++) from[c] += residual[(r + i) * out + o + c];
          memcpy(to, from, width * sizeof(float));
        }
      }
    }
  }
  if (tiles) tiles_end(&before);
  barrier(worker);
}

/* ---- keys and values in a cache: rows of `size` numbers, stored in one of three formats and computed in float32. `format` is a
 * constant wherever these are inlined. What has just been stored is read back, never used as it was before. */

INLINE int64_t kv_row_bytes(int64_t format, int64_t size) {
  return format == KV_FLOAT32 ? size * 4 : format == KV_FLOAT16 ? size * 2 : size + (int64_t)sizeof(float);
}

INLINE F32x16 kv_load(int format, const void *row, int64_t d) {
  return format == KV_FLOAT32   ? f32_load((const float *)row + d)
         : format == KV_FLOAT16 ? load_fp16((const uint16_t *)row + d)
                                : load_i8((const int8_t *)row + d);
}
INLINE float kv_load_one(int format, const void *row, int64_t d) {
  return format == KV_FLOAT32   ? ((const float *)row)[d]
         : format == KV_FLOAT16 ? fp16_to_f32(((const uint16_t *)row)[d])
                                : ((const int8_t *)row)[d];
}
/* What the numbers of a row are multiplied by: 1, or an int8's scale. */
INLINE float kv_scale(int format, const void *row, int64_t size) {
  float scale = 1;
  if (format == KV_INT8) memcpy(&scale, (const int8_t *)row + size, sizeof scale);
  return scale;
}

/* Whole numbers from -127 to 127, behind them their scale. NaN and infinity make the scale, and so the whole row, NaN. */
static void kv_store_int8(const float *x, int64_t size, int8_t *row) {
  float largest = 1e-30f;
  int32_t strange = 0;
#pragma omp simd reduction(max : largest) reduction(| : strange)
  for (int64_t d = 0; d < size; d++) {
    float magnitude = fabsf(x[d]);
    largest = magnitude > largest ? magnitude : largest;
    strange |= !(magnitude <= FLT_MAX);
  }
  float steps = strange ? 0 : 127 / largest, scale = strange ? NAN : largest / 127;
#pragma omp simd
  for (int64_t d = 0; d < size; d++) row[d] = (int8_t)(int32_t)(strange ? 0 : rintf(x[d] * steps));
  memcpy(row + size, &scale, sizeof scale);
}

static void kv_store(int64_t format, const float *x, int64_t size, void *row) {
  if (format == KV_FLOAT32) {
    memcpy(row, x, size * sizeof(float));
  } else if (format == KV_FLOAT16) {
    uint16_t *halves = row;
    int64_t d = 0;
    for (; d + PANEL <= size; d += PANEL) store_fp16(halves + d, f32_load(x + d));
    for (; d < size; d++) halves[d] = f32_to_fp16(x[d]);
  } else {
    kv_store_int8(x, size, row);
  }
}

/* scores[r][s] = q[r] · keys[s] / √size, for s from `from` to `to`; rows of q are `stride` apart, rows of scores `max_len`. */
INLINE void attn_score(int rows, int format, const float *q, int64_t stride, const char *keys, int64_t from, int64_t to,
                       int64_t size, float *scores, int64_t max_len) {
  float scale = 1 / sqrtf(size);
  int64_t row_bytes = kv_row_bytes(format, size), whole = size / PANEL * PANEL;
  for (int64_t s = from; s < to; s++) {
    const char *key = keys + s * row_bytes;
    F32x16 sum[ATTN_ROWS];
    for (int r = 0; r < rows; r++) sum[r] = f32_zero();
    for (int64_t d = 0; d < whole; d += PANEL) {
      prefetch_cache(key + kv_row_bytes(format, d), 2);
      F32x16 part = kv_load(format, key, d);
      for (int r = 0; r < rows; r++) sum[r] = f32_fma(sum[r], part, f32_load(q + r * stride + d));
    }
    float key_scale = kv_scale(format, key, size);
    for (int r = 0; r < rows; r++) {
      float product = f32_reduce(sum[r]);
      for (int64_t e = whole; e < size; e++) product += q[r * stride + e] * kv_load_one(format, key, e);
      scores[r * max_len + s] = format == KV_INT8 ? product * key_scale * scale : product * scale;
    }
  }
}

/* to[r] += Σ probs[r][s] · values[s] for s from `from` to `until`, of `vectors` times 16 channels from `first` on. */
INLINE void attn_value_part(int rows, int format, int vectors, const float *probs, int64_t max_len, const char *values,
                            int64_t from, int64_t until, int64_t size, int64_t first, float *to, int64_t stride) {
  int64_t row_bytes = kv_row_bytes(format, size);
  F32x16 sum[ATTN_ROWS][ATTN_VECTORS(1)];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = f32_load(to + r * stride + first + v * PANEL);
  for (int64_t s = from; s < until; s++) {
    const char *value = values + s * row_bytes;
    float scale = kv_scale(format, value, size), weight[ATTN_ROWS];
    for (int r = 0; r < rows; r++) weight[r] = format == KV_INT8 ? probs[r * max_len + s] * scale : probs[r * max_len + s];
    for (int v = 0; v < vectors; v++) {
      prefetch_cache(value + kv_row_bytes(format, first + v * PANEL), 2);
      F32x16 part = kv_load(format, value, first + v * PANEL);
      for (int r = 0; r < rows; r++) sum[r][v] = f32_fma_scalar(sum[r][v], part, weight[r]);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) f32_store(to + r * stride + first + v * PANEL, sum[r][v]);
}

/* The same of all channels of a head. */
INLINE void attn_value(int rows, int format, const float *probs, int64_t max_len, const char *values, int64_t from, int64_t until,
                       int64_t size, float *to, int64_t stride) {
  const int most = ATTN_VECTORS(rows);
  int64_t d = 0, whole = size / PANEL * PANEL;
  for (; d + most * PANEL <= whole; d += most * PANEL)
    attn_value_part(rows, format, most, probs, max_len, values, from, until, size, d, to, stride);
  for (; most > 1 && d + (most - 1) * PANEL <= whole; d += (most - 1) * PANEL)
    attn_value_part(rows, format, most - 1, probs, max_len, values, from, until, size, d, to, stride);
  for (; d < whole; d += PANEL)
    attn_value_part(rows, format, 1, probs, max_len, values, from, until, size, d, to, stride);
  if (whole == size) return;
  for (int r = 0; r < rows; r++)
    for (int64_t s = from; s < until; s++) {
      const char *value = values + s * kv_row_bytes(format, size);
      float scale = kv_scale(format, value, size), prob = probs[r * max_len + s], weight = format == KV_INT8 ? prob * scale : prob;
      for (int64_t e = whole; e < size; e++) to[r * stride + e] += weight * kv_load_one(format, value, e);
    }
}

typedef void (*Score)(const float *q, int64_t stride, const char *keys, int64_t from, int64_t to, int64_t size, float *scores,
                      int64_t max_len);
typedef void (*Value)(const float *probs, int64_t max_len, const char *values, int64_t from, int64_t until, int64_t size, float *to,
                      int64_t stride);
typedef struct { Score score, score_rows; Value value, value_rows; } Attend; /* of one row, of ATTN_ROWS */

/* A call in which a head's size is a constant, where it is a usual one (64: the bundled model, 80: the 2.7B): the inner name hides the
 * parameter, and loops over it are unrolled. */
#define FOR_HEAD(size, call)                                    \
  switch (size) {                                               \
    case 64: { enum { size = 64 }; call; break; }               \
    case 80: { enum { size = 80 }; call; break; }               \
    default: call;                                              \
  }

/* Functions of their own: what one of them needs a compiler can keep in registers, what all together need it cannot. */
#define SCORE(name, rows, format)                                                                                              \
  static void name(const float *q, int64_t stride, const char *keys, int64_t from, int64_t to, int64_t size, float *scores,   \
                   int64_t max_len) {                                                                                          \
    FOR_HEAD(size, attn_score(rows, format, q, stride, keys, from, to, size, scores, max_len))                                 \
  }
#define VALUE(name, rows, format)                                                                                              \
  static void name(const float *probs, int64_t max_len, const char *values, int64_t from, int64_t until, int64_t size,        \
                   float *to, int64_t stride) {                                                                                \
    FOR_HEAD(size, attn_value(rows, format, probs, max_len, values, from, until, size, to, stride))                            \
  }
#define ATTEND_WITH(name, format)               \
  SCORE(score_##name, 1, format)                \
  SCORE(score_rows_##name, ATTN_ROWS, format)   \
  VALUE(value_##name, 1, format)                \
  VALUE(value_rows_##name, ATTN_ROWS, format)
#define ATTEND_OF(name) {score_##name, score_rows_##name, value_##name, value_rows_##name}
ATTEND_WITH(float32, KV_FLOAT32)
ATTEND_WITH(float16, KV_FLOAT16)
ATTEND_WITH(int8, KV_INT8)
static const Attend ATTEND[KV_FORMATS] = {ATTEND_OF(float32), ATTEND_OF(float16), ATTEND_OF(int8)};

/* `rows` positions of one sequence, 1 or ATTN_ROWS, of which the first sees `seen` keys and each other one more. */
static void attend_rows(const Attend *a, int rows, const Shape *s, const float *q, const char *keys, const char *values, int64_t seen,
                        float *scores, int64_t max_len, float *to) {
  int64_t size = s->hidden / s->heads, stride = 3 * s->hidden;
  (rows == 1 ? a->score : a->score_rows)(q, stride, keys, 0, seen, size, scores, max_len);
  for (int r = 0; r < rows; r++) {
    if (r) a->score(q + r * stride, stride, keys, seen, seen + r, size, scores + r * max_len, max_len);
    softmax(scores + r * max_len, seen + r);
    memset(to + r * s->hidden, 0, size * sizeof(float));
  }
  (rows == 1 ? a->value : a->value_rows)(scores, max_len, values, 0, seen, size, to, s->hidden);
  for (int r = 1; r < rows; r++)
    a->value(scores + r * max_len, max_len, values, seen, seen + r, size, to + r * s->hidden, s->hidden);
}

/* `count` positions of one sequence behind `past` others, whose keys and values are stored; q as in `attention`. */
static void attend(const Attend *a, const Shape *s, const float *q, const char *keys, const char *values, int64_t past, int64_t count,
                   float *scores, int64_t max_len, float *to) {
  for (int64_t r = 0, rows; r < count; r += rows) {
    rows = count - r >= ATTN_ROWS ? ATTN_ROWS : 1;
    attend_rows(a, (int)rows, s, q + r * 3 * s->hidden, keys, values, past + r + 1, scores, max_len, to + r * s->hidden);
  }
}

/* Rows of qkv (rows, heads, 3, head size) are rotated, written to the cache, and attend to their past and themselves; to
 * (rows, hidden). scores: (ATTN_ROWS, max_len) of each thread. */
static void attention(const Worker *worker, const Shape *s, float *qkv, const Sequence *sequences, int64_t count,
                      const KVView *caches, float *scores, int64_t max_len, float *to) {
  int64_t size = s->hidden / s->heads, stride = 3 * s->hidden;
  scores += worker->index * ATTN_ROWS * max_len;
  FOR_MY_SHARE(worker, n, count * s->heads) {
    int64_t head = n % s->heads;
    const Sequence *q = sequences + n / s->heads;
    const KVView *cache = caches + n / s->heads;
    int64_t row_bytes = kv_row_bytes(cache->format, size);
    char *keys = (char *)cache->keys + head * cache->capacity * row_bytes, *values = keys + s->heads * cache->capacity * row_bytes;
    float *from = qkv + q->first * stride + head * 3 * size;
    for (int64_t r = 0; r < q->count; r++) {
      float *row = from + r * stride;
      rope(row, s, q->past + r);
      rope(row + size, s, q->past + r);
      kv_store(cache->format, row + size, size, keys + (q->past + r) * row_bytes);
      kv_store(cache->format, row + 2 * size, size, values + (q->past + r) * row_bytes);
    }
    attend(&ATTEND[cache->format], s, from, keys, values, q->past, q->count, scores, max_len, to + q->first * s->hidden + head * size);
  }
  barrier(worker);
}

static int knows_bits(const Weight *w) { return (w->bits >= 4 && w->bits <= 6) || w->bits == 8 || w->bits == 16; }

/* ---- a linear layer alone */

typedef struct { const Weight *weight; int64_t in, out, rows; const float *x; float *y; Rows ready; } LinearJob;

static void linear_work(const Worker *worker, void *arg) {
  LinearJob *job = arg;
  prepare(worker, job->x, NULL, job->rows, job->in, NULL, job->weight, &job->ready);
  linear(worker, job->weight, &job->ready, job->rows, job->in, job->out, job->y, 0, NULL, NULL);
}

int64_t neoxjp_linear_workspace(int64_t in, int64_t rows) {
  Arena counted = {NULL, 0, 0};
  alloc_rows(&counted, rows, in);
  return counted.used;
}

/* y (rows, out) = x (rows, in) · weightᵀ. workspace: aligned to 64 bytes, as many as neoxjp_linear_workspace says. */
int32_t neoxjp_linear(const Weight *weight, int64_t in, int64_t out, const float *x, int64_t rows, float *y, void *workspace,
                      int64_t bytes, int32_t threads) {
  if (weight->bits == 8 && in > MAX_IN) return TOO_MANY_INPUTS;
  if (!knows_bits(weight)) return WRONG_BITS;
  Arena arena = {workspace, bytes, 0};
  LinearJob job = {weight, in, out, rows, x, y, alloc_rows(&arena, rows, in)};
  if (arena.used > bytes) return WORKSPACE_TOO_SMALL;
  run_team(threads, linear_work, &job);
  return OK;
}

/* ---- the network */

typedef struct {
  const Shape *shape;
  const Layer *layers;
  int64_t depth;
  const Output *output;
  float *x;
  int64_t rows;
  const Sequence *sequences;
  int64_t count;
  const KVView *caches;
  const int64_t *logits_at;
  int64_t n_logits;
  float *logits;
  int64_t max_len;
  Workspace workspace;
} ForwardJob;

static void layer_work(const Worker *worker, ForwardJob *job, const Layer *l, const KVView *caches) {
  const Shape *s = job->shape;
  Workspace *w = &job->workspace;
  Rows *ready = &w->rows;
  float *x = job->x;
  int64_t rows = job->rows;
  prepare(worker, x, NULL, rows, s->hidden, &l->input_layernorm, &l->query_key_value, ready);
  linear(worker, &l->query_key_value, ready, rows, s->hidden, 3 * s->hidden, w->qkv, 0, NULL, NULL);
  attention(worker, s, w->qkv, job->sequences, job->count, caches, w->scores, job->max_len, w->attended);
  prepare(worker, w->attended, NULL, rows, s->hidden, NULL, &l->dense, ready);
  linear(worker, &l->dense, ready, rows, s->hidden, s->hidden, x, 0, l->dense_bias, x);
  prepare(worker, x, NULL, rows, s->hidden, &l->post_attention_layernorm, &l->dense_h_to_4h, ready);
  linear(worker, &l->dense_h_to_4h, ready, rows, s->hidden, s->intermediate, w->intermediate, 1, NULL, NULL);
  prepare(worker, w->intermediate, NULL, rows, s->intermediate, NULL, &l->dense_4h_to_h, ready);
  linear(worker, &l->dense_4h_to_h, ready, rows, s->intermediate, s->hidden, x, 0, NULL, x);
}

static void forward_work(const Worker *worker, void *arg) {
  ForwardJob *job = arg;
  Rows *ready = &job->workspace.rows;
  for (int64_t n = 0; n < job->depth; n++) layer_work(worker, job, job->layers + n, job->caches + n * job->count);
  prepare(worker, job->x, job->logits_at, job->n_logits, job->shape->hidden, &job->output->norm, &job->output->weight, ready);
  linear(worker, &job->output->weight, ready, job->n_logits, job->shape->hidden, job->output->vocab, job->logits, 0, NULL, NULL);
}

static int64_t max_len_of(const Sequence *sequences, int64_t count) {
  int64_t max_len = 0;
  for (int64_t n = 0; n < count; n++) {
    int64_t length = sequences[n].past + sequences[n].count;
    max_len = length > max_len ? length : max_len;
  }
  return max_len;
}

/* What would be read or written outside of what is there. */
static int32_t check(const ForwardJob *job) {
  if (job->max_len > job->shape->positions) return POSITION_OUT_OF_RANGE;
  int known = knows_bits(&job->output->weight);
  for (int64_t n = 0; n < job->depth; n++) {
    const Layer *l = job->layers + n;
    known &= knows_bits(&l->query_key_value) & knows_bits(&l->dense) & knows_bits(&l->dense_h_to_4h) & knows_bits(&l->dense_4h_to_h);
  }
  if (!known) return WRONG_BITS;
  for (int64_t n = 0; n < job->count; n++) {
    const Sequence *q = job->sequences + n;
    if (q->past < 0 || q->count < 0 || q->first < 0 || q->first + q->count > job->rows) return ROW_OUT_OF_RANGE;
    for (int64_t l = 0; l < job->depth; l++) {
      const KVView *cache = job->caches + l * job->count + n;
      if (cache->format < 0 || cache->format >= KV_FORMATS) return UNKNOWN_CACHE_FORMAT;
      if (q->past + q->count > cache->capacity) return CACHE_TOO_SMALL;
    }
  }
  for (int64_t n = 0; n < job->n_logits; n++)
    if (job->logits_at[n] < 0 || job->logits_at[n] >= job->rows) return ROW_OUT_OF_RANGE;
  return OK;
}

int64_t neoxjp_forward_workspace(const Shape *shape, int64_t rows, const Sequence *sequences, int64_t count, int64_t n_logits,
                                 int32_t threads) {
  Arena counted = {NULL, 0, 0};
  alloc_workspace(&counted, shape, rows, n_logits, max_len_of(sequences, count), threads);
  return counted.used;
}

/* x (rows, hidden) through `depth` layers, in place; then logits (n_logits, vocab) of the rows that `logits_at` names.
 * caches: (depth, count), each with room for its sequence's new rows.
 * workspace: aligned to 64 bytes, as many as neoxjp_forward_workspace says. */
int32_t neoxjp_forward(const Shape *shape, const Layer *layers, int64_t depth, const Output *output, float *x, int64_t rows,
                       const Sequence *sequences, int64_t count, const KVView *caches, const int64_t *logits_at, int64_t n_logits,
                       float *logits, void *workspace, int64_t bytes, int32_t threads) {
  ForwardJob job = {shape, layers, depth, output, x, rows, sequences, count, caches, logits_at, n_logits, logits,
                    .max_len = max_len_of(sequences, count)};
  int32_t problem = check(&job);
  if (problem) return problem;
  Arena arena = {workspace, bytes, 0};
  job.workspace = alloc_workspace(&arena, shape, rows, n_logits, job.max_len, threads);
  if (arena.used > bytes) return WORKSPACE_TOO_SMALL;
  run_team(threads, forward_work, &job);
  return OK;
}

/* ---- plain weights to groups */

int32_t neoxjp_round_groups(const float *w, int64_t rows, int64_t in, const float *grid, int32_t bits, const float *ends, int32_t n_ends,
                            uint8_t *values, uint16_t *scale, int32_t threads) {
  if (bits < 4 || bits > 6) return WRONG_BITS;
  RoundJob job = {w, rows, in, grid, ends, bits, n_ends, values, scale};
  run_team(threads, round_work, &job);
  return OK;
}

/* ---- what this build is */

void neoxjp_use_huge_pages(int32_t on) { huge_pages = on; }
int32_t neoxjp_qmax(void) { return QMAX; }
int32_t neoxjp_zero_point(void) { return ZERO_POINT; }
int64_t neoxjp_max_in(void) { return MAX_IN; }
int64_t neoxjp_sizeof(int32_t number) { /* of the structures that Python passes, in the order of network.py's STRUCTURES */
  const int64_t sizes[] = {sizeof(Weight), sizeof(Norm), sizeof(Layer), sizeof(Shape), sizeof(Output), sizeof(KVView)};
  return number >= 0 && number < (int32_t)(sizeof sizes / sizeof sizes[0]) ? sizes[number] : -1;
}
