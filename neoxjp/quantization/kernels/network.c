/* The network for packed weights on a CPU, from the embedded tokens to the logits: products with int8 and fp16 weights, and around
 * them the norms, GELU, rotation and attention. build.py compiles it.
 *
 * A weight (out, in) lies in groups of 16 output channels, one vector for the same input channels of all 16, so that nothing is
 * added across a vector: int8 as [out / 16][in / 4][16][4], fp16 as [out / 16][in][16]; `out` is filled up to a multiple of 16 and
 * an int8's `in` to one of 4.
 *
 * A row's numbers never depend on the rows beside it, nor on the number of threads. Products are fbgemm's bit for bit: whole
 * numbers are added exactly, floats in the order of the input channels.
 */
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <immintrin.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUP 16 /* output channels */
#define ROWS 8   /* multiplied with one reading of the weight, in registers */
#define MANY 16  /* the same in tiles, */
#define FEW 2    /* which so many rows are worth */
#define WIDE 4   /* groups that are read side by side */
#define AHEAD 8192 /* bytes that are on their way, of all that is read side by side: what a processor does by itself ends with a page */
#define INLINE static inline __attribute__((always_inline))

/* ---- 16 output channels, in as many registers as this processor needs */

#if defined(__AVX512F__)
typedef __m512 Floats;
INLINE Floats no_floats(void) { return _mm512_setzero_ps(); }
INLINE Floats halves(const uint16_t *w) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)w)); }
INLINE Floats add_product(Floats sum, Floats w, float x) { return _mm512_fmadd_ps(w, _mm512_set1_ps(x), sum); }
INLINE Floats floats(const float *x) { return _mm512_loadu_ps(x); }
INLINE Floats add_products(Floats sum, Floats a, Floats b) { return _mm512_fmadd_ps(a, b, sum); }
INLINE float added_up(Floats sum) { return _mm512_reduce_add_ps(sum); }
INLINE void write_floats(float *to, Floats sum) { _mm512_storeu_ps(to, sum); }
#define TOGETHER 4 /* positions of one sequence that attend with one reading of what they see, */
#define VECTORS 5  /* of so many times 16 numbers at once: what the registers hold */
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
typedef struct { __m256 low, high; } Floats;
INLINE Floats no_floats(void) { return (Floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INLINE Floats halves(const uint16_t *w) {
  const __m128i *at = (const __m128i *)w;
  return (Floats){_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(_mm_loadu_si128(at + 1))};
}
INLINE Floats add_product(Floats sum, Floats w, float x) {
  __m256 all = _mm256_set1_ps(x);
  return (Floats){_mm256_fmadd_ps(w.low, all, sum.low), _mm256_fmadd_ps(w.high, all, sum.high)};
}
INLINE Floats floats(const float *x) { return (Floats){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
INLINE Floats add_products(Floats sum, Floats a, Floats b) {
  return (Floats){_mm256_fmadd_ps(a.low, b.low, sum.low), _mm256_fmadd_ps(a.high, b.high, sum.high)};
}
INLINE float added_up(Floats sum) {
  __m256 eight = _mm256_add_ps(sum.low, sum.high);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
INLINE void write_floats(float *to, Floats sum) { _mm256_storeu_ps(to, sum.low), _mm256_storeu_ps(to + 8, sum.high); }
#define TOGETHER 2
#define VECTORS 2
#else
#error "this processor has neither AVX512 nor AVX2 with FMA and F16C"
#endif

#if defined(__AVX512VNNI__)
#define MOST 127 /* the largest magnitude of a weight whose sums are exact */
typedef __m512i Sums;
INLINE Sums no_sums(void) { return _mm512_setzero_si512(); }
INLINE Sums bytes(const uint8_t *w) { return _mm512_loadu_si512(w); }
INLINE Sums add_fours(Sums sum, Sums w, int32_t x) { return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x)); }
INLINE void write_sums(int32_t *to, Sums sum) { _mm512_storeu_si512(to, sum); }
#else
typedef struct { __m256i low, high; } Sums;
INLINE Sums no_sums(void) { return (Sums){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE Sums bytes(const uint8_t *w) {
  const __m256i *at = (const __m256i *)w;
  return (Sums){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
INLINE void write_sums(int32_t *to, Sums sum) {
  _mm256_storeu_si256((__m256i *)to, sum.low), _mm256_storeu_si256((__m256i *)to + 1, sum.high);
}
#if defined(__AVXVNNI__)
#define MOST 127
INLINE __m256i fours(__m256i sum, __m256i w, __m256i x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
#else
#define MOST 64 /* 16 bits hold two products of 128 · 127 */
INLINE __m256i fours(__m256i sum, __m256i w, __m256i x) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
#endif
INLINE Sums add_fours(Sums sum, Sums w, int32_t x) {
  __m256i all = _mm256_set1_epi32(x);
  return (Sums){fours(sum.low, w.low, all), fours(sum.high, w.high, all)};
}
#endif

#define OFFSET ((MOST + 1) / 2 * 2) /* added to a weight, which the processor wants without a sign: 128 or 64 */

/* ---- a few rows times a few groups; `rows` and `groups` are constants wherever these are inlined */

INLINE const void *fetched_ahead(const void *from, int side_by_side) {
  _mm_prefetch((const char *)from + AHEAD / side_by_side, _MM_HINT_T0);
  return from;
}

INLINE void times_halves(int rows, int groups, const float *x, int64_t in, const uint16_t *w, float to[][WIDE * GROUP]) {
  Floats sum[ROWS][WIDE];
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < groups; g++) sum[r][g] = no_floats();
  for (int64_t k = 0; k < in; k++) {
    Floats column[WIDE];
    for (int g = 0; g < groups; g++) column[g] = halves(fetched_ahead(w + (g * in + k) * GROUP, groups));
    for (int r = 0; r < rows; r++)
      for (int g = 0; g < groups; g++) sum[r][g] = add_product(sum[r][g], column[g], x[r * in + k]);
  }
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < groups; g++) write_floats(to[r] + g * GROUP, sum[r][g]);
}

INLINE void times_bytes(int rows, int groups, const int8_t *x, int64_t in, const uint8_t *w, int32_t to[][WIDE * GROUP]) {
  Sums sum[ROWS][WIDE];
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < groups; g++) sum[r][g] = no_sums();
  for (int64_t k = 0; k < in; k += 4) {
    Sums column[WIDE];
    for (int g = 0; g < groups; g++) column[g] = bytes(fetched_ahead(w + (g * in + k) * GROUP, groups));
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, x + r * in + k, 4);
      for (int g = 0; g < groups; g++) sum[r][g] = add_fours(sum[r][g], column[g], four);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < groups; g++) write_sums(to[r] + g * GROUP, sum[r][g]);
}

/* Tiles (AMX): 16 rows times 64 bytes of 16 output channels, whose layout a tile of the weight shares. */
#if defined(__AMX_INT8__)
typedef struct { uint8_t palette, start, rest[14]; uint16_t bytes[16]; uint8_t rows[16]; } Tiles;

static int tiles_may_be_used(void) {
  static int may = -1;
  if (may < 0) may = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
  return may;
}

/* Other libraries keep what they have set up for a thread in mind: it is set up again afterwards. */
INLINE void begin_tiles(Tiles *before) {
  Tiles mine = {.palette = 1};
  for (int t = 0; t < 6; t++) mine.bytes[t] = 64, mine.rows[t] = MANY;
  _tile_storeconfig(before);
  __asm__ volatile("" : : "m"(mine)); /* some compilers take it that only its first 8 bytes are read */
  _tile_loadconfig(&mine);
}
INLINE void end_tiles(const Tiles *before) { _tile_loadconfig(before); }

/* `in` is a multiple of 64, x has 16 rows, whatever stands in those that do not count. */
static void times_tiles(int groups, const int8_t *x, int64_t in, const uint8_t *w, int32_t to[][WIDE * GROUP]) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < in; k += 64) {
    _tile_loadd(4, x + k, in);
#define ONE(t) \
  if (groups > t) { \
    _tile_loadd(5, w + (t * in + k) * GROUP, 64); \
    _tile_dpbsud(t, 4, 5); \
  }
    ONE(0) ONE(1) ONE(2) ONE(3)
#undef ONE
  }
  const int stride = sizeof to[0];
  _tile_stored(0, to[0], stride);
  if (groups > 1) _tile_stored(1, to[0] + GROUP, stride);
  if (groups > 2) _tile_stored(2, to[0] + 2 * GROUP, stride);
  if (groups > 3) _tile_stored(3, to[0] + 3 * GROUP, stride);
}
#else
typedef char Tiles;
static int tiles_may_be_used(void) { return 0; }
INLINE void begin_tiles(Tiles *before) { (void)before; }
INLINE void end_tiles(const Tiles *before) { (void)before; }
static void times_tiles(int groups, const int8_t *x, int64_t in, const uint8_t *w, int32_t to[][WIDE * GROUP]) {
  (void)groups, (void)x, (void)in, (void)w, (void)to;
}
#endif

/* Registers hold 4 groups of up to 4 rows, 2 of more. */
#define MULTIPLY(times, rows, groups, ...)                                                                                   \
  switch (rows) {                                                                                                            \
    case 1: EACH(times, 1, groups, __VA_ARGS__) case 2: EACH(times, 2, groups, __VA_ARGS__)                                  \
    case 3: EACH(times, 3, groups, __VA_ARGS__) case 4: EACH(times, 4, groups, __VA_ARGS__)                                  \
    case 5: PAIR(times, 5, groups, __VA_ARGS__) case 6: PAIR(times, 6, groups, __VA_ARGS__)                                  \
    case 7: PAIR(times, 7, groups, __VA_ARGS__) default: PAIR(times, 8, groups, __VA_ARGS__)                                 \
  }
#define EACH(times, rows, groups, ...) if (groups == WIDE) { times(rows, WIDE, __VA_ARGS__); break; } PAIR(times, rows, groups, __VA_ARGS__)
#define PAIR(times, rows, groups, ...) if (groups == 2) { times(rows, 2, __VA_ARGS__); break; } times(rows, 1, __VA_ARGS__); break;

/* The next 4, 2 or 1 groups of `left`, of which each thread takes some. */
static int next_groups(int64_t left, int rows) { return rows <= 4 && left >= WIDE ? WIDE : left >= 2 ? 2 : 1; }

static int64_t filled(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

int32_t neoxjp_most(void) { return MOST; }
int32_t neoxjp_offset(void) { return OFFSET; }

/* ---- the threads of a parallel region, who all call the functions that begin with "team_" together */

typedef struct {
  _Atomic int size, arrived, meetings, asleep;
  _Atomic int64_t slept; /* ns, of all threads */
  int64_t began;
} Team;

/* The pieces of work 0 … count - 1 that are this thread's: the same at each call, so that it finds them in its own cache. */
#define EACH_OF_MINE(n, count) for (int64_t n = omp_get_thread_num(); n < count; n += team->size)

#define LOOKS 20000 /* 0.2 to 1 ms */

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wait for the others. OpenMP's own barrier puts a thread to sleep at once where a process has more threads than processors, as
 * one with a page beside its model has; to wake it then takes longer than most of what is done between two meetings. */
static void meet(Team *team) {
  int meeting = atomic_load_explicit(&team->meetings, memory_order_relaxed);
  if (atomic_fetch_add(&team->arrived, 1) + 1 == team->size) {
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store(&team->meetings, meeting + 1);
    if (atomic_load(&team->asleep)) syscall(SYS_futex, &team->meetings, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    return;
  }
  for (int n = 0; n < LOOKS; n++) {
    if (atomic_load_explicit(&team->meetings, memory_order_acquire) != meeting) return;
    _mm_pause();
  }
  int64_t began = now();
  atomic_fetch_add(&team->asleep, 1);
  while (atomic_load(&team->meetings) == meeting) syscall(SYS_futex, &team->meetings, FUTEX_WAIT_PRIVATE, meeting, NULL, NULL, 0);
  atomic_fetch_sub(&team->asleep, 1);
  atomic_fetch_add(&team->slept, now() - began);
}

/* Where other programs want the processors too, one thread of a team often waits until the other gets its turn: one that works
 * alone is then faster. It does so for a while, longer each time that two were not worth it. */
#define WHILE_ALONE 20000000 /* ns, */
#define LONG_ALONE 640000000 /* and at most */
static _Atomic int64_t alone_until, alone_next = WHILE_ALONE;

static Team assembled(int32_t *threads) {
  Team team = {.began = now()};
  if (team.began < alone_until) *threads = 1;
  return team;
}

static void dismiss(const Team *team) {
  int64_t end = now(), next = alone_next;
  if (team->size < 2) return;
  if (4 * team->slept > (end - team->began) * (team->size - 1)) {
    alone_until = end + next;
    alone_next = 2 * next < LONG_ALONE ? 2 * next : LONG_ALONE;
  } else {
    alone_next = WHILE_ALONE;
  }
}

/* ---- what stands around a product */

typedef struct { const void *values; const float *scale; /* (out,) of int8; NULL: fp16 */ } Weight;
typedef struct { const float *weight, *bias; float eps; } Norm;

/* Rows as a product takes them: floats for fp16; for int8 whole numbers, each row's largest magnitude and their sum. */
typedef struct { const float *floats; float *normed; int8_t *whole; float *largest; int32_t *sums; } Rows;

static void normalize(const float *x, int64_t size, const Norm *norm, float *to) {
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

/* A row in whole numbers from -127 to 127. Returns their sum, and the largest magnitude in `largest`. */
static int32_t quantize(const float *x, int64_t in, int8_t *to, float *largest) {
  const float steps = 1 / (float)(1 / 127.0);
  float most = 1e-30f;
  int32_t sum = 0, unknown = 0;
#pragma omp simd reduction(max : most) reduction(| : unknown)
  for (int64_t k = 0; k < in; k++) {
    most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
    unknown |= x[k] != x[k];
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < in; k++) {
    int32_t value = (int32_t)rintf(fmaf(x[k] / most, steps, 128)) - 128; /* as fbgemm rounds, which counts from 128 */
    to[k] = (int8_t)value;
    sum += value;
  }
  memset(to + in, 0, filled(in, 4) - in);
  *largest = unknown ? NAN : most;
  return sum;
}

/* e to the power of x <= 0 (Cephes' polynomial: an error of 2 units in the last place); 0 below -80, where what is made of it
 * would soon be so small that processors need a hundred times as long for it. */
INLINE float exponential(float x) {
  float whole = rintf(x * 1.44269504f), r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  int32_t bits = ((int32_t)(whole < -126 ? -126 : whole) + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  return x < -80 ? 0 : p * power;
}

/* x · Φ(x), the error function by Abramowitz and Stegun 7.1.26 (an error of 1.5e-7), as in torch's vectors. */
INLINE float gelu(float x) {
  float z = fabsf(x) * 0.70710678f, t = 1 / (1 + 0.3275911f * z);
  float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  float tail = p * exponential(-z * z); /* 1 - erf(z) */
  return 0.5f * x * (x < 0 ? tail : 2 - tail);
}

/* x (rows, in), or those rows of it that `which` names, through `norm` where one is given, as a product with `weight` takes them. */
static void team_prepare(Team *team, const float *x, const int64_t *which, int64_t rows, int64_t in, const Norm *norm,
                         const Weight *weight, Rows *to) {
  int64_t width = filled(in, 4);
  const float *from = norm || which ? to->normed : x;
  EACH_OF_MINE(r, rows) {
    const float *row = x + (which ? which[r] : r) * in;
    if (r == 0) to->floats = from;
    if (norm)
      normalize(row, in, norm, to->normed + r * in);
    else if (which)
      memcpy(to->normed + r * in, row, in * sizeof(float));
    if (weight->scale) to->sums[r] = quantize(from + r * in, in, to->whole + r * width, to->largest + r);
  }
  meet(team);
}

/* y (rows, out) = x (rows, in) · weightᵀ, then GELU, `bias` (out,) and `more` (rows, out) added, each where it is asked for. */
static void team_multiply(Team *team, const Weight *w, const Rows *x, int64_t rows, int64_t in, int64_t out, float *y,
                          int with_gelu, const float *bias, const float *more) {
  const float step = (float)(1 / 127.0);
  int64_t groups = filled(out, GROUP) / GROUP, width_in = filled(in, 4);
  int in_tiles = w->scale && rows >= FEW && width_in % 64 == 0 && tiles_may_be_used(), at_once = in_tiles ? MANY : ROWS;
  Tiles before;
  if (in_tiles) begin_tiles(&before);
  EACH_OF_MINE(part, filled(groups, WIDE) / WIDE) {
    int64_t first = part * WIDE, last = first + WIDE < groups ? first + WIDE : groups;
    for (int64_t r = 0; r < rows; r += at_once) {
      int here = rows - r < at_once ? rows - r : at_once, n;
      for (int64_t g = first; g < last; g += n) {
        union { float floats[MANY][WIDE * GROUP]; int32_t whole[MANY][WIDE * GROUP]; } sums;
        n = in_tiles ? (int)(last - g) : next_groups(last - g, here);
        if (in_tiles)
          times_tiles(n, x->whole + r * width_in, width_in, (const uint8_t *)w->values + g * width_in * GROUP, sums.whole);
        else if (w->scale)
          MULTIPLY(times_bytes, here, n, x->whole + r * width_in, width_in, (const uint8_t *)w->values + g * width_in * GROUP, sums.whole)
        else
          MULTIPLY(times_halves, here, n, x->floats + r * in, in, (const uint16_t *)w->values + g * in * GROUP, sums.floats)
        int64_t o = g * GROUP, width = out - o < n * GROUP ? out - o : n * GROUP;
        for (int i = 0; i < here; i++) {
          float *from = sums.floats[i], *to = y + (r + i) * out + o;
          if (w->scale) {
            const float *scale = w->scale + o, largest = x->largest[r + i];
            int32_t shift = OFFSET * x->sums[r + i];
            for (int64_t c = 0; c < width; c++) from[c] = (float)(sums.whole[i][c] - shift) * (scale[c] * step) * largest;
          }
          if (with_gelu)
            for (int64_t c = 0; c < width; c++) from[c] = gelu(from[c]);
          if (bias)
            for (int64_t c = 0; c < width; c++) from[c] += bias[o + c];
          if (more)
            for (int64_t c = 0; c < width; c++) from[c] += more[(r + i) * out + o + c];
          memcpy(to, from, width * sizeof(float));
        }
      }
    }
  }
  if (in_tiles) end_tiles(&before);
  meet(team);
}

/* Room for `rows` of up to `widest` input channels. NULL members: no memory. */
static Rows room(int64_t rows, int64_t widest) {
  return (Rows){NULL, malloc(rows * widest * sizeof(float)), malloc(filled(rows, MANY) * filled(widest, 4)), malloc(rows * sizeof(float)),
                malloc(rows * sizeof(int32_t))};
}
static int is_there(const Rows *r) { return r->normed && r->whole && r->largest && r->sums; }
static void give_back(Rows *r) { free(r->normed), free(r->whole), free(r->largest), free(r->sums); }

/* Both functions below return 0, or 1 where there was no memory. */

/* y (rows, out) = x (rows, in) · wᵀ. */
int32_t neoxjp_linear(const Weight *w, int64_t in, int64_t out, const float *x, int64_t rows, float *y, int32_t threads) {
  Rows ready = room(rows, in);
  int32_t failed = !is_there(&ready);
  Team team = assembled(&threads);
  if (!failed) {
#pragma omp parallel num_threads(threads)
    {
      team.size = omp_get_num_threads();
      team_prepare(&team, x, NULL, rows, in, NULL, w, &ready);
      team_multiply(&team, w, &ready, rows, in, out, y, 0, NULL, NULL);
    }
  }
  dismiss(&team);
  give_back(&ready);
  return failed;
}

/* ---- attention */

typedef struct {
  int64_t size, heads, inner, turned; /* channels, of them in the MLP, and how many of a head are rotated */
  const float *cos, *sin;             /* of position p from p * stride on; the sine with the sign of rotate-half */
  int64_t stride;
} Shape;

typedef struct { int64_t first, count, past; } Sequence; /* its new rows among all, and how many tokens it had */

/* Where the keys and then the values of a layer are kept: (heads, capacity, size of a head) each. */
typedef struct { float *keys; int64_t capacity; } Kept;

static void turn(float *x, const Shape *s, int64_t place) {
  const float *cos = s->cos + place * s->stride, *sin = s->sin + place * s->stride;
  int64_t half = s->turned / 2;
  for (int64_t d = 0; d < half; d++) {
    float first = x[d], second = x[d + half];
    x[d] = first * cos[d] + second * sin[d];
    x[d + half] = second * cos[d + half] + first * sin[d + half];
  }
}

/* scores[r][s] = q[r] · keys[s] / √size, for s from `from` to `to`; rows of q are `next` apart, rows of scores `longest`. */
INLINE void score(int rows, const float *q, int64_t next, const float *keys, int64_t from, int64_t to, int64_t size, float *scores,
                  int64_t longest) {
  float scale = 1 / sqrtf(size);
  for (int64_t s = from; s < to; s++) {
    const float *key = keys + s * size;
    Floats sum[TOGETHER];
    int64_t d = 0;
    for (int r = 0; r < rows; r++) sum[r] = no_floats();
    for (; d + GROUP <= size; d += GROUP) {
      Floats part = floats(fetched_ahead(key + d, 2));
      for (int r = 0; r < rows; r++) sum[r] = add_products(sum[r], part, floats(q + r * next + d));
    }
    for (int r = 0; r < rows; r++) {
      float product = added_up(sum[r]);
      for (int64_t e = d; e < size; e++) product += q[r * next + e] * key[e];
      scores[r * longest + s] = product * scale;
    }
  }
}

static void softmax(float *scores, int64_t count) {
  float most = -INFINITY, total = 0;
#pragma omp simd reduction(max : most)
  for (int64_t s = 0; s < count; s++) most = scores[s] > most ? scores[s] : most;
#pragma omp simd reduction(+ : total)
  for (int64_t s = 0; s < count; s++) {
    scores[s] = exponential(scores[s] - most);
    total += scores[s];
  }
  for (int64_t s = 0; s < count; s++) scores[s] /= total;
}

/* to[r] += Σ shares[r][s] · values[s] for s from `from` to `to`, of `vectors` times 16 numbers. */
INLINE void weigh(int rows, int vectors, const float *shares, int64_t longest, const float *values, int64_t from, int64_t until,
                  int64_t size, float *to, int64_t next) {
  Floats sum[TOGETHER][VECTORS];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = floats(to + r * next + v * GROUP);
  for (int64_t s = from; s < until; s++)
    for (int v = 0; v < vectors; v++) {
      Floats part = floats(fetched_ahead(values + s * size + v * GROUP, 2));
      for (int r = 0; r < rows; r++) sum[r][v] = add_product(sum[r][v], part, shares[r * longest + s]);
    }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) write_floats(to + r * next + v * GROUP, sum[r][v]);
}

INLINE void weigh_all(int rows, const float *shares, int64_t longest, const float *values, int64_t from, int64_t until, int64_t size,
                      float *to, int64_t next) {
  int64_t d = 0;
#define PART(vectors) \
  for (; d + vectors * GROUP <= size; d += vectors * GROUP) \
    weigh(rows, vectors, shares, longest, values + d, from, until, size, to + d, next);
  PART(VECTORS)
  PART((VECTORS - 1))
  PART(1)
#undef PART
  for (int r = 0; r < rows; r++)
    for (int64_t s = from; s < until; s++)
      for (int64_t e = d; e < size; e++) to[r * next + e] += shares[r * longest + s] * values[s * size + e];
}

/* `rows` positions of one sequence, of which the first sees `seen` keys and each other one more. */
INLINE void attend(int rows, const Shape *s, const float *q, const float *keys, const float *values, int64_t seen, float *scores,
                   int64_t longest, float *to) {
  int64_t size = s->size / s->heads, next = 3 * s->size;
  score(rows, q, next, keys, 0, seen, size, scores, longest);
  for (int r = 0; r < rows; r++) {
    score(1, q + r * next, next, keys, seen, seen + r, size, scores + r * longest, longest);
    softmax(scores + r * longest, seen + r);
    memset(to + r * s->size, 0, size * sizeof(float));
  }
  weigh_all(rows, scores, longest, values, 0, seen, size, to, s->size);
  for (int r = 1; r < rows; r++) weigh_all(1, scores + r * longest, longest, values, seen, seen + r, size, to + r * s->size, s->size);
}

/* Rows of qkv (rows, heads, 3, size of a head) are rotated, kept, and attend to their past and themselves; to (rows, size).
 * scores: (TOGETHER, longest) of each thread. */
static void team_attend(Team *team, const Shape *s, float *qkv, const Sequence *sequences, int64_t count, const Kept *kept,
                        float *scores, int64_t longest, float *to) {
  int64_t size = s->size / s->heads, next = 3 * s->size;
  scores += omp_get_thread_num() * TOGETHER * longest;
  EACH_OF_MINE(n, count * s->heads) {
    int64_t head = n % s->heads;
    const Sequence *q = sequences + n / s->heads;
    const Kept *room = kept + n / s->heads;
    float *keys = room->keys + head * room->capacity * size, *values = keys + s->heads * room->capacity * size;
    float *from = qkv + q->first * next + head * 3 * size;
    for (int64_t r = 0; r < q->count; r++) {
      float *row = from + r * next;
      turn(row, s, q->past + r);
      turn(row + size, s, q->past + r);
      memcpy(keys + (q->past + r) * size, row + size, size * sizeof(float));
      memcpy(values + (q->past + r) * size, row + 2 * size, size * sizeof(float));
    }
    for (int64_t r = 0, rows; r < q->count; r += rows) {
      float *mine = to + (q->first + r) * s->size + head * size;
      rows = q->count - r >= TOGETHER ? TOGETHER : 1;
      if (rows == TOGETHER)
        attend(TOGETHER, s, from + r * next, keys, values, q->past + r + 1, scores, longest, mine);
      else
        attend(1, s, from + r * next, keys, values, q->past + r + 1, scores, longest, mine);
    }
  }
  meet(team);
}

/* ---- the network */

typedef struct {
  Norm before_attention, before_mlp;
  Weight qkv, dense, up, down;
  const float *dense_bias; /* (size,), or NULL */
} Layer;

typedef struct { Norm norm; Weight weight; int64_t vocabulary; } Output;

typedef struct { Rows ready; float *inner, *qkv, *attended, *scores; } Space;

static void team_layer(Team *team, const Shape *s, const Layer *l, float *x, int64_t rows, const Sequence *sequences, int64_t count,
                       const Kept *kept, int64_t longest, Space *space) {
  Rows *ready = &space->ready;
  team_prepare(team, x, NULL, rows, s->size, &l->before_attention, &l->qkv, ready);
  team_multiply(team, &l->qkv, ready, rows, s->size, 3 * s->size, space->qkv, 0, NULL, NULL);
  team_attend(team, s, space->qkv, sequences, count, kept, space->scores, longest, space->attended);
  team_prepare(team, space->attended, NULL, rows, s->size, NULL, &l->dense, ready);
  team_multiply(team, &l->dense, ready, rows, s->size, s->size, x, 0, l->dense_bias, x);
  team_prepare(team, x, NULL, rows, s->size, &l->before_mlp, &l->up, ready);
  team_multiply(team, &l->up, ready, rows, s->size, s->inner, space->inner, 1, NULL, NULL);
  team_prepare(team, space->inner, NULL, rows, s->inner, NULL, &l->down, ready);
  team_multiply(team, &l->down, ready, rows, s->inner, s->size, x, 0, NULL, x);
}

/* x (rows, size) through `depth` layers, in place; then logits (asked, vocabulary) of the rows that `which` names.
 * kept: (depth, count), each with room for its sequence's new rows. */
int32_t neoxjp_forward(const Shape *s, const Layer *layers, int64_t depth, const Output *out, float *x, int64_t rows,
                       const Sequence *sequences, int64_t count, const Kept *kept, const int64_t *which, int64_t asked, float *logits,
                       int32_t threads) {
  int64_t longest = 0;
  for (int64_t n = 0; n < count; n++) {
    int64_t length = sequences[n].past + sequences[n].count;
    longest = length > longest ? length : longest;
  }
  Space space = {room(rows > asked ? rows : asked, s->inner > s->size ? s->inner : s->size), malloc(rows * s->inner * sizeof(float)),
                 malloc(rows * 3 * s->size * sizeof(float)), malloc(rows * s->size * sizeof(float)),
                 malloc(threads * TOGETHER * longest * sizeof(float))};
  int32_t failed = !is_there(&space.ready) || !space.inner || !space.qkv || !space.attended || !space.scores;
  Team team = assembled(&threads);
  if (!failed) {
#pragma omp parallel num_threads(threads)
    {
      team.size = omp_get_num_threads();
      for (int64_t n = 0; n < depth; n++) team_layer(&team, s, layers + n, x, rows, sequences, count, kept + n * count, longest, &space);
      team_prepare(&team, x, which, asked, s->size, &out->norm, &out->weight, &space.ready);
      team_multiply(&team, &out->weight, &space.ready, asked, s->size, out->vocabulary, logits, 0, NULL, NULL);
    }
  }
  dismiss(&team);
  give_back(&space.ready);
  free(space.inner), free(space.qkv), free(space.attended), free(space.scores);
  return failed;
}
