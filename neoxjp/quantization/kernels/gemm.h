/* Products of up to MR rows with up to NR panels of a packed weight: one kernel for each pair of counts, found by table.
 *
 * A weight (out, in) lies in panels of 16 output channels, one vector for the same input channels of all 16, so that nothing is
 * added across a vector: int8 as [out / 16][in / 4][16][4], fp16 as [out / 16][in][16]; `out` is filled up to a multiple of 16 and
 * an int8's `in` to one of 4. Sums are fbgemm's bit for bit: whole numbers are added exactly, floats in the order of `in`.
 *
 * 4, 5 and 6 bits: [out / 64][in / 32], and for each of these blocks the scales of its 64 output channels (fp16), then the numbers of
 * each of its 4 panels (simd.h): one stream of bytes. `out` and `in` are filled up. A group's products are added exactly, then groups in
 * the order of `in`.
 */
#pragma once
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "simd.h"

/* Rows that are multiplied with one reading of the weight, and panels beside each other for so many rows: their sums stay in the
 * registers, 32 with AVX512, 16 with AVX2, where a vector takes two. */
#if defined(__AVX512F__)
#define MR 8
#define MR_PANELS 2
#else
#define MR 6
#define MR_PANELS 1
#endif
#define NR 4       /* panels that are read side by side */
#define TILE_MR 16 /* rows of an AMX tile */
#define TILE_MIN 2 /* fewest rows for which AMX is used */
#define MAX_IN 65536 /* input channels of an int8 weight: in * 255 * 127 fits 32 bits */

#define GROUP_BLOCK_BYTES(bits) (NR * PANEL * (2 + 4 * (bits)))

typedef float F32Sums[NR * PANEL];
typedef int32_t I32Sums[NR * PANEL];

/* x (rows, in) · w, `panels` of `in` channels each; `rows` and `panels` are constants wherever these are inlined. */

INLINE void gemm_fp16(int rows, int panels, const float *x, int64_t in, const uint16_t *w, F32Sums *to) {
  F32x16 sum[MR][NR];
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < panels; p++) sum[r][p] = f32_zero();
  for (int64_t k = 0; k < in; k++) {
    F32x16 column[NR];
    for (int p = 0; p < panels; p++) {
      const uint16_t *at = w + (p * in + k) * PANEL;
      prefetch(at, panels);
      column[p] = load_fp16(at);
    }
    for (int r = 0; r < rows; r++)
      for (int p = 0; p < panels; p++) sum[r][p] = f32_fma_scalar(sum[r][p], column[p], x[r * in + k]);
  }
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < panels; p++) f32_store(to[r] + p * PANEL, sum[r][p]);
}

INLINE void gemm_int8(int rows, int panels, const int8_t *x, int64_t in, const uint8_t *w, I32Sums *to) {
  I32x16 sum[MR][NR];
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < panels; p++) sum[r][p] = i32_zero();
  for (int64_t k = 0; k < in; k += 4) {
    I32x16 column[NR];
    for (int p = 0; p < panels; p++) {
      const uint8_t *at = w + (p * in + k) * PANEL;
      prefetch(at, panels);
      column[p] = load_u8(at);
    }
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, x + r * in + k, 4);
      for (int p = 0; p < panels; p++) sum[r][p] = i32_dot_u8s8(sum[r][p], column[p], four);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < panels; p++) i32_store(to[r] + p * PANEL, sum[r][p]);
}

/* A block of NR panels, w. x (groups, 8, rows): four numbers each. shift (groups, rows): minus the zero of the weight's numbers times the
 * sum of a group of x. The block is read once, as one stream in huge pages, which the processor requests ahead by itself; the totals
 * of many rows do not fit the registers, and are read and written once a group. */
INLINE void gemm_group(int bits, int rows, const int32_t *x, const int32_t *shift, int64_t groups, const uint8_t *w, F32Sums *to) {
  const int numbers = 4 * PANEL * bits; /* bytes of a panel's */
  F32x16 total[MR][NR];
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < NR; n++) total[r][n] = f32_zero();
  for (int64_t g = 0; g < groups; g++) {
    const uint8_t *block = w + g * GROUP_BLOCK_BYTES(bits);
    for (int n = 0; n < NR; n += MR_PANELS) {
      const uint8_t *from = block + 2 * NR * PANEL + n * numbers;
      I32x16 sum[MR][MR_PANELS];
      if (n) __asm__ volatile("" : : : "memory"); /* else compilers save x for the next panels on the stack, number by number */
      for (int r = 0; r < rows; r++)
        for (int i = 0; i < MR_PANELS; i++) sum[r][i] = i32_set(shift[g * rows + r]);
#pragma GCC unroll 8
      for (int v = 0; v < GROUP_VECTORS; v++) {
        I32x16 column[MR_PANELS];
        for (int i = 0; i < MR_PANELS; i++) column[i] = unpack(bits, from + i * numbers, v);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
          int32_t four = x[(g * GROUP_VECTORS + v) * rows + r];
          for (int i = 0; i < MR_PANELS; i++) sum[r][i] = i32_dot_group(bits, sum[r][i], column[i], four);
        }
      }
      for (int i = 0; i < MR_PANELS; i++) {
        F32x16 scale = load_fp16((const uint16_t *)(block + (n + i) * 2 * PANEL));
        for (int r = 0; r < rows; r++) total[r][n + i] = f32_fma(total[r][n + i], f32_of_i32(sum[r][i]), scale);
      }
    }
  }
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < NR; n++) f32_store(to[r] + n * PANEL, total[r][n]);
}

/* The tables: [rows - 1][log2(panels)]. */

typedef void (*GemmFp16)(const float *x, int64_t in, const uint16_t *w, F32Sums *to);
typedef void (*GemmInt8)(const int8_t *x, int64_t in, const uint8_t *w, I32Sums *to);

#define KERNEL(rows, panels)                                                                      \
  static void gemm_fp16_##rows##x##panels(const float *x, int64_t in, const uint16_t *w, F32Sums *to) { \
    gemm_fp16(rows, panels, x, in, w, to);                                                        \
  }                                                                                               \
  static void gemm_int8_##rows##x##panels(const int8_t *x, int64_t in, const uint8_t *w, I32Sums *to) { \
    gemm_int8(rows, panels, x, in, w, to);                                                        \
  }
#define KERNELS(rows) KERNEL(rows, 1) KERNEL(rows, 2)
KERNELS(1) KERNELS(2) KERNELS(3) KERNELS(4) KERNELS(5) KERNELS(6)
KERNEL(1, 4) KERNEL(2, 4) KERNEL(3, 4) KERNEL(4, 4)

#define ROW(kind, rows, four) {gemm_##kind##_##rows##x1, gemm_##kind##_##rows##x2, four}
#if MR == 8
KERNELS(7) KERNELS(8)
#define LAST_ROWS(kind) , ROW(kind, 7, NULL), ROW(kind, 8, NULL)
#else
#define LAST_ROWS(kind)
#endif
#define TABLE(kind)                                                                                       \
  {ROW(kind, 1, gemm_##kind##_1x4), ROW(kind, 2, gemm_##kind##_2x4), ROW(kind, 3, gemm_##kind##_3x4),     \
   ROW(kind, 4, gemm_##kind##_4x4), ROW(kind, 5, NULL), ROW(kind, 6, NULL) LAST_ROWS(kind)}
static const GemmFp16 GEMM_FP16[MR][3] = TABLE(fp16);
static const GemmInt8 GEMM_INT8[MR][3] = TABLE(int8);

/* [bits - 4][rows - 1] */
typedef void (*GemmGroup)(const int32_t *x, const int32_t *shift, int64_t groups, const uint8_t *w, F32Sums *to);
#define GROUP_KERNEL(bits, rows)                                                                                             \
  static void gemm_group##bits##_##rows(const int32_t *x, const int32_t *shift, int64_t groups, const uint8_t *w, F32Sums *to) { \
    gemm_group(bits, rows, x, shift, groups, w, to);                                                                         \
  }
#define GROUP_KERNELS(bits)                                                                            \
  GROUP_KERNEL(bits, 1) GROUP_KERNEL(bits, 2) GROUP_KERNEL(bits, 3) GROUP_KERNEL(bits, 4)              \
  GROUP_KERNEL(bits, 5) GROUP_KERNEL(bits, 6) LAST_GROUP_KERNELS(bits)
#if MR == 8
#define LAST_GROUP_KERNELS(bits) GROUP_KERNEL(bits, 7) GROUP_KERNEL(bits, 8)
#define LAST_GROUPS(bits) , gemm_group##bits##_7, gemm_group##bits##_8
#else
#define LAST_GROUP_KERNELS(bits)
#define LAST_GROUPS(bits)
#endif
GROUP_KERNELS(4) GROUP_KERNELS(5) GROUP_KERNELS(6)
#define GROUP_ROW(bits)                                                                                  \
  {gemm_group##bits##_1, gemm_group##bits##_2, gemm_group##bits##_3, gemm_group##bits##_4,               \
   gemm_group##bits##_5, gemm_group##bits##_6 LAST_GROUPS(bits)}
static const GemmGroup GEMM_GROUP[3][MR] = {GROUP_ROW(4), GROUP_ROW(5), GROUP_ROW(6)};

/* How many of `left` panels the next kernel takes with `rows` rows: 1, 2 or 4, as many as the registers hold sums of. */
INLINE int next_panels(int64_t left, int rows) {
  int panels = NR;
  while (panels > left || (panels > 1 && rows * panels > MR * MR_PANELS)) panels /= 2;
  return panels;
}

/* AMX tiles: 16 rows times 64 bytes of 16 output channels, whose layout a tile of the weight shares. */
#if defined(__AMX_INT8__)
typedef struct { uint8_t palette, start, rest[14]; uint16_t bytes[16]; uint8_t rows[16]; } TileConfig;

static int tiles_permitted(void) {
  static int permitted = -1;
  if (permitted < 0) permitted = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
  return permitted;
}

/* Other libraries remember what they have configured for a thread: it is restored afterwards. */
INLINE void tiles_begin(TileConfig *before) {
  TileConfig mine = {.palette = 1};
  for (int t = 0; t < 6; t++) mine.bytes[t] = 64, mine.rows[t] = TILE_MR;
  _tile_storeconfig(before);
  __asm__ volatile("" : : "m"(mine)); /* some compilers assume that only its first 8 bytes are read */
  _tile_loadconfig(&mine);
}
INLINE void tiles_end(const TileConfig *before) { _tile_loadconfig(before); }

/* `in` is a multiple of 64, x has TILE_MR rows, whatever is in those that do not count. */
static void gemm_tiles(int panels, const int8_t *x, int64_t in, const uint8_t *w, I32Sums *to) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < in; k += 64) {
    _tile_loadd(4, x + k, in);
#define TILE(t) /* the number of a tile is part of the instruction */ \
  if (panels > t) {                                                   \
    _tile_loadd(5, w + (t * in + k) * PANEL, 64);                     \
    _tile_dpbsud(t, 4, 5);                                            \
  }
    TILE(0) TILE(1) TILE(2) TILE(3)
#undef TILE
  }
  const int stride = sizeof to[0];
  _tile_stored(0, to[0], stride);
  if (panels > 1) _tile_stored(1, to[0] + PANEL, stride);
  if (panels > 2) _tile_stored(2, to[0] + 2 * PANEL, stride);
  if (panels > 3) _tile_stored(3, to[0] + 3 * PANEL, stride);
}
#else
typedef char TileConfig;
static int tiles_permitted(void) { return 0; }
INLINE void tiles_begin(TileConfig *before) { (void)before; }
INLINE void tiles_end(const TileConfig *before) { (void)before; }
static void gemm_tiles(int panels, const int8_t *x, int64_t in, const uint8_t *w, I32Sums *to) {
  (void)panels, (void)x, (void)in, (void)w, (void)to;
}
#endif
