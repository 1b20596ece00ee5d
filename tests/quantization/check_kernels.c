/* Runs every kernel on small random networks, in buffers of exactly the size that they need, for the sanitizers: sanitize.py. */
#include "network.c"

#include <stdio.h>

static uint64_t seed = 1;
static float draw(void) { /* -1 to 1 */
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (float)(seed >> 40) / (1 << 23) - 1;
}
static void *take(int64_t bytes) {
  void *got = aligned_alloc(ALIGNMENT, round_up(bytes ? bytes : 1, ALIGNMENT));
  if (!got) abort();
  return got;
}
static float *floats(int64_t count, float around, float width) {
  float *got = malloc(count * sizeof(float)); /* not rounded up: one byte behind it is a fault */
  for (int64_t n = 0; n < count; n++) got[n] = around + width * draw();
  return got;
}
static Weight weight(int64_t out, int64_t in, int64_t bits) {
  int64_t size = round_up(out, PANEL) * (bits == 8 ? round_up(in, 4) : in);
  if (bits < 8) {
    int64_t blocks = round_up(out, NR * PANEL) / (NR * PANEL) * (round_up(in, GROUP) / GROUP);
    uint8_t *bytes = malloc(blocks * GROUP_BLOCK_BYTES(bits));
    for (int64_t n = 0; n < blocks * GROUP_BLOCK_BYTES(bits); n++) {
      int64_t place = n % GROUP_BLOCK_BYTES(bits);
      bytes[n] = place >= 2 * NR * PANEL ? (uint8_t)(128 + 127 * draw()) : place % 2 ? 0x2c : (uint8_t)n; /* scales of about 0.06 */
    }
    return (Weight){bytes, NULL, bits};
  }
  if (bits == 16) {
    uint16_t *halves = malloc(size * sizeof(uint16_t));
    for (int64_t n = 0; n < size; n++) halves[n] = (uint16_t)(0x2c00 + (int)(300 * draw())); /* about 0.06 */
    return (Weight){halves, NULL, 16};
  }
  uint8_t *bytes = malloc(size);
  for (int64_t n = 0; n < size; n++) bytes[n] = (uint8_t)(ZERO_POINT + (int)(QMAX * draw()));
  return (Weight){bytes, floats(out, 0.02f, 0.01f), 8};
}
static void release(Weight w) { free((void *)w.values), free((void *)w.scale); }
static Norm norm(int64_t size) { return (Norm){floats(size, 1, 0.1f), floats(size, 0, 0.1f), 1e-5f}; }
static void release_norm(Norm n) { free((void *)n.weight), free((void *)n.bias); }
static void must(int is, const char *what) {
  if (!is) fprintf(stderr, "failed: %s\n", what), exit(1);
}

enum { DEPTH = 2, VOCAB = 57, SEQUENCES = 3, POSITIONS = 40 };

/* Random keys and values of a cache, (2, heads, capacity) rows, in its format; nothing lies behind them. */
static KVView cache_of(int64_t heads, int64_t capacity, int64_t size, int64_t format) {
  int64_t rows = 2 * heads * capacity, bytes = kv_row_bytes(format, size);
  float *numbers = floats(rows * size, 0, 1);
  char *stored = malloc(rows * bytes);
  for (int64_t r = 0; r < rows; r++) kv_store(format, numbers + r * size, size, stored + r * bytes);
  free(numbers);
  return (KVView){stored, capacity, format};
}

/* What is read back is at most half a step away, and stored again it stays the same. */
static void check_store(int64_t size, int64_t format, float width) {
  int64_t bytes = kv_row_bytes(format, size);
  float *x = floats(size, 0, width), *found = malloc(size * sizeof(float)), largest = 0;
  char *row = malloc(bytes), *again = malloc(bytes);
  kv_store(format, x, size, row);
  float scale = kv_scale((int)format, row, size);
  for (int64_t d = 0; d < size; d++) largest = fabsf(x[d]) > largest ? fabsf(x[d]) : largest;
  for (int64_t d = 0; d < size; d++) {
    found[d] = kv_load_one((int)format, row, d) * scale;
    float step = format == KV_FLOAT32 ? 0 : format == KV_FLOAT16 ? fabsf(x[d]) / 2048 + 6e-8f : largest / 127 * 0.501f;
    float wanted = format == KV_FLOAT16 && fabsf(x[d]) > 65504 ? copysignf(65504, x[d]) : x[d];
    must(fabsf(found[d] - wanted) <= step, "a number is read back");
    F32x16 vector = kv_load((int)format, row, d / PANEL * PANEL + PANEL <= size ? d / PANEL * PANEL : 0);
    float all[PANEL];
    f32_store(all, vector);
    if (d / PANEL * PANEL + PANEL <= size) must(all[d % PANEL] * scale == found[d], "a vector is read as its numbers are");
  }
  kv_store(format, found, size, again);
  if (format != KV_INT8) must(!memcmp(row, again, bytes), "stored again it stays the same");
  x[size / 2] = NAN;
  kv_store(format, x, size, row);
  must(isnan(kv_load_one((int)format, row, size / 2) * kv_scale((int)format, row, size)), "not a number stays not a number");
  free(x), free(found), free(row), free(again);
}

static void check_network(int64_t hidden, int64_t heads, int64_t intermediate, int64_t rotary, int64_t bits, float strange, int format) {
  int64_t size = hidden / heads;
  float *cos = floats(POSITIONS * rotary, 0, 1), *sin = floats(POSITIONS * rotary, 0, 1);
  Shape shape = {hidden, heads, intermediate, rotary, cos, sin, rotary, POSITIONS};
  Layer layers[DEPTH];
  for (int n = 0; n < DEPTH; n++)
    layers[n] = (Layer){norm(hidden), norm(hidden), weight(3 * hidden, hidden, bits), weight(hidden, hidden, bits),
                        weight(intermediate, hidden, bits), weight(hidden, intermediate, bits),
                        n == DEPTH - 1 ? floats(hidden, 0, 1) : NULL};
  Output output = {norm(hidden), weight(VOCAB, hidden, bits), VOCAB};
  Sequence sequences[SEQUENCES] = {{0, 1, 19}, {1, 22, 0}, {23, 7, 30}};
  int64_t rows = 30, asked = 3, logits_at[] = {0, 22, 29};
  float *x = floats(rows * hidden, 0, 1), *first = NULL;
  if (strange != 0) x[5 * hidden + 3] = strange;
  KVView caches[DEPTH * SEQUENCES];
  for (int n = 0; n < DEPTH * SEQUENCES; n++) {
    const Sequence *q = sequences + n % SEQUENCES;
    int64_t capacity = q->past + q->count;
    caches[n] = cache_of(heads, capacity, size, format == KV_FORMATS ? n % KV_FORMATS : format); /* or one of each */
  }
  for (int32_t threads = 1; threads <= 3; threads++) {
    int64_t bytes = neoxjp_forward_workspace(&shape, rows, sequences, SEQUENCES, asked, threads);
    void *workspace = take(bytes);
    float *logits = malloc(asked * VOCAB * sizeof(float)), *own = malloc(rows * hidden * sizeof(float));
    memcpy(own, x, rows * hidden * sizeof(float));
    int32_t found = neoxjp_forward(&shape, layers, DEPTH, &output, own, rows, sequences, SEQUENCES, caches, logits_at, asked, logits,
                                   workspace, bytes, threads);
    must(found == OK, "a forward");
    if (first && strange == 0) must(!memcmp(first, logits, asked * VOCAB * sizeof(float)), "the same bits with any threads");
    if (!first) first = logits, logits = NULL;
    must(neoxjp_forward(&shape, layers, DEPTH, &output, own, rows, sequences, SEQUENCES, caches, logits_at, asked, first, workspace,
                        bytes - 1, threads) == WORKSPACE_TOO_SMALL, "a small workspace is refused");
    free(logits), free(own), free(workspace);
  }
  caches[SEQUENCES].capacity--;
  must(neoxjp_forward(&shape, layers, DEPTH, &output, x, rows, sequences, SEQUENCES, caches, logits_at, asked, first, NULL, 0, 1) ==
           CACHE_TOO_SMALL, "a small cache is refused");
  caches[SEQUENCES].capacity++;
  caches[SEQUENCES].format += KV_FORMATS;
  must(neoxjp_forward(&shape, layers, DEPTH, &output, x, rows, sequences, SEQUENCES, caches, logits_at, asked, first, NULL, 0, 1) ==
           UNKNOWN_CACHE_FORMAT, "a format that it does not know is refused");
  caches[SEQUENCES].format -= KV_FORMATS;
  logits_at[1] = rows;
  must(neoxjp_forward(&shape, layers, DEPTH, &output, x, rows, sequences, SEQUENCES, caches, logits_at, asked, first, NULL, 0, 1) ==
           ROW_OUT_OF_RANGE, "a row that is not there is refused");
  shape.positions = 36;
  must(neoxjp_forward(&shape, layers, DEPTH, &output, x, rows, sequences, SEQUENCES, caches, logits_at, asked, first, NULL, 0, 1) ==
           POSITION_OUT_OF_RANGE, "a position without a rotation is refused");
  for (int n = 0; n < DEPTH; n++) {
    Layer *l = layers + n;
    release_norm(l->input_layernorm), release_norm(l->post_attention_layernorm), free((void *)l->dense_bias);
    release(l->query_key_value), release(l->dense), release(l->dense_h_to_4h), release(l->dense_4h_to_h);
  }
  for (int n = 0; n < DEPTH * SEQUENCES; n++) free(caches[n].keys);
  release_norm(output.norm), release(output.weight), free(cos), free(sin), free(x), free(first);
}

static void check_linear(int64_t out, int64_t in, int64_t bits) {
  Weight w = weight(out, in, bits);
  for (int64_t rows = 0; rows <= 19; rows++) {
    float *x = floats(rows * in, 0, 3), *y = malloc((rows * out + 1) * sizeof(float)), *alone = malloc(out * sizeof(float));
    int64_t bytes = neoxjp_linear_workspace(in, rows);
    void *workspace = take(bytes);
    must(neoxjp_linear(&w, in, out, x, rows, y, workspace, bytes, 2) == OK, "a product");
    for (int64_t r = 0; r < rows; r++) {
      must(neoxjp_linear(&w, in, out, x + r * in, 1, alone, workspace, bytes, 1) == OK, "a product of one row");
      must(!memcmp(alone, y + r * out, out * sizeof(float)), "a row is the same alone");
    }
    free(x), free(y), free(alone), free(workspace);
  }
  release(w);
}

int main(void) {
  const int64_t formats[] = {4, 5, 6, 8, 16};
  for (int n = 0; n < 5; n++) {
    int64_t bits = formats[n];
    check_linear(48, 64, bits), check_linear(70, 33, bits), check_linear(1, 1, bits), check_linear(130, 128, bits);
    for (int format = 0; format <= (bits == 5 || bits == 6 ? 0 : KV_FORMATS); format++) {
      check_network(96, 3, 200, 32, bits, 0, format), check_network(160, 2, 64, 20, bits, 0, format);
      check_network(20, 1, 8, 0, bits, 0, format), check_network(69, 3, 8, 6, bits, 0, format);
      check_network(96, 3, 200, 32, bits, NAN, format), check_network(96, 3, 200, 32, bits, INFINITY, format);
      check_network(96, 3, 200, 32, bits, -3e38f, format);
    }
  }
  for (int format = 0; format < KV_FORMATS; format++)
    for (int64_t size = 16; size < 100; size += 7)
      check_store(size, format, 1), check_store(size, format, 1e-7f), check_store(size, format, 2e5f);
  const float scale = 1;
  must(neoxjp_linear(&(Weight){"", NULL, 7}, 1, 1, NULL, 1, NULL, NULL, 0, 1) == WRONG_BITS, "seven bits are refused");
  must(neoxjp_linear(&(Weight){"", &scale, 8}, MAX_IN + 1, 1, NULL, 1, NULL, NULL, 0, 1) == TOO_MANY_INPUTS, "too many inputs");
  puts("all kernels passed");
  return 0;
}
