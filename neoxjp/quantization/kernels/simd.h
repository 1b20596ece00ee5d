/* Vectors of 16 floats and of 16 int32 sums, in as many registers as this processor needs. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define PANEL 16 /* output channels whose weights lie side by side: one vector */

#if defined(__AVX512F__)
typedef __m512 F32x16;
INLINE F32x16 f32_zero(void) { return _mm512_setzero_ps(); }
INLINE F32x16 f32_load(const float *x) { return _mm512_loadu_ps(x); }
INLINE F32x16 load_fp16(const uint16_t *w) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)w)); }
INLINE F32x16 f32_fma(F32x16 sum, F32x16 a, F32x16 b) { return _mm512_fmadd_ps(a, b, sum); }
INLINE F32x16 f32_fma_scalar(F32x16 sum, F32x16 w, float x) { return _mm512_fmadd_ps(w, _mm512_set1_ps(x), sum); }
INLINE float f32_reduce(F32x16 sum) { return _mm512_reduce_add_ps(sum); }
INLINE void f32_store(float *to, F32x16 sum) { _mm512_storeu_ps(to, sum); }
INLINE F32x16 load_i8(const int8_t *x) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)x))); }
/* Rounded to the nearest half, beyond the largest one (65504) to that; NaN stays NaN. */
INLINE void store_fp16(uint16_t *to, F32x16 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-65504), _mm512_min_ps(_mm512_set1_ps(65504), x));
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
INLINE float fp16_to_f32(uint16_t x) { return _mm512_cvtss_f32(_mm512_cvtph_ps(_mm256_set1_epi16((short)x))); }
INLINE uint16_t f32_to_fp16(float x) {
  uint16_t halves[PANEL];
  store_fp16(halves, _mm512_set1_ps(x));
  return halves[0];
}
#define ATTN_ROWS 4          /* query rows of one sequence that share one reading of the keys and values */
#define ATTN_VECTORS(rows) 5 /* vectors of a head that they read at once: what the registers hold */
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
typedef struct { __m256 low, high; } F32x16;
INLINE F32x16 f32_zero(void) { return (F32x16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INLINE F32x16 f32_load(const float *x) { return (F32x16){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
INLINE F32x16 load_fp16(const uint16_t *w) {
  const __m128i *at = (const __m128i *)w;
  return (F32x16){_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(_mm_loadu_si128(at + 1))};
}
INLINE F32x16 f32_fma(F32x16 sum, F32x16 a, F32x16 b) {
  return (F32x16){_mm256_fmadd_ps(a.low, b.low, sum.low), _mm256_fmadd_ps(a.high, b.high, sum.high)};
}
INLINE F32x16 f32_fma_scalar(F32x16 sum, F32x16 w, float x) {
  __m256 all = _mm256_set1_ps(x);
  return (F32x16){_mm256_fmadd_ps(w.low, all, sum.low), _mm256_fmadd_ps(w.high, all, sum.high)};
}
INLINE float f32_reduce(F32x16 sum) {
  __m256 eight = _mm256_add_ps(sum.low, sum.high);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
INLINE void f32_store(float *to, F32x16 sum) { _mm256_storeu_ps(to, sum.low), _mm256_storeu_ps(to + 8, sum.high); }
INLINE F32x16 load_i8(const int8_t *x) {
  __m128i all = _mm_loadu_si128((const __m128i *)x);
  return (F32x16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(all)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(all, 8)))};
}
INLINE __m128i eight_to_fp16(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-65504), _mm256_min_ps(_mm256_set1_ps(65504), x));
  return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
}
INLINE void store_fp16(uint16_t *to, F32x16 x) { /* as above */
  _mm_storeu_si128((__m128i *)to, eight_to_fp16(x.low));
  _mm_storeu_si128((__m128i *)(to + 8), eight_to_fp16(x.high));
}
INLINE float fp16_to_f32(uint16_t x) { return _cvtsh_ss(x); }
INLINE uint16_t f32_to_fp16(float x) { return (uint16_t)_mm_extract_epi16(eight_to_fp16(_mm256_set1_ps(x)), 0); }
#define ATTN_ROWS 4
#define ATTN_VECTORS(rows) ((rows) == 1 ? 5 : 1) /* 16 registers, two for each vector */
#else
#error "this processor has neither AVX512 nor AVX2 with FMA and F16C"
#endif

/* i32_dot_u8s8: each of 16 sums gets the products of its four unsigned weight bytes with the same four signed input bytes. */
#if defined(__AVX512VNNI__)
#define QMAX 127 /* the largest magnitude of an int8 weight whose sums are exact */
typedef __m512i I32x16;
INLINE I32x16 i32_zero(void) { return _mm512_setzero_si512(); }
INLINE I32x16 load_u8(const uint8_t *w) { return _mm512_loadu_si512(w); }
INLINE I32x16 i32_dot_u8s8(I32x16 sum, I32x16 w, int32_t x) { return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x)); }
INLINE void i32_store(int32_t *to, I32x16 sum) { _mm512_storeu_si512(to, sum); }
INLINE I32x16 i32_set(int32_t x) { return _mm512_set1_epi32(x); }
INLINE F32x16 f32_of_i32(I32x16 x) { return _mm512_cvtepi32_ps(x); }
INLINE I32x16 u8_and(I32x16 x, char mask) { return _mm512_and_si512(x, _mm512_set1_epi8(mask)); }
INLINE I32x16 u8_or(I32x16 x, I32x16 y) { return _mm512_or_si512(x, y); }
INLINE I32x16 shift_right(I32x16 x, int count) { return _mm512_srli_epi16(x, count); } /* bits come in from the byte beside */
INLINE I32x16 shift_left(I32x16 x, int count) { return _mm512_slli_epi16(x, count); }
INLINE I32x16 u8_lookup(__m128i table, I32x16 x) { return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), x); }
#else
typedef struct { __m256i low, high; } I32x16;
INLINE I32x16 i32_zero(void) { return (I32x16){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE I32x16 load_u8(const uint8_t *w) {
  const __m256i *at = (const __m256i *)w;
  return (I32x16){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
INLINE void i32_store(int32_t *to, I32x16 sum) {
  _mm256_storeu_si256((__m256i *)to, sum.low), _mm256_storeu_si256((__m256i *)to + 1, sum.high);
}
INLINE I32x16 i32_set(int32_t x) { return (I32x16){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
#if defined(__AVX512F__)
INLINE F32x16 f32_of_i32(I32x16 x) {
  return _mm512_cvtepi32_ps(_mm512_inserti64x4(_mm512_castsi256_si512(x.low), x.high, 1));
}
#else
INLINE F32x16 f32_of_i32(I32x16 x) { return (F32x16){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
#endif
INLINE I32x16 u8_and(I32x16 x, char mask) {
  __m256i all = _mm256_set1_epi8(mask);
  return (I32x16){_mm256_and_si256(x.low, all), _mm256_and_si256(x.high, all)};
}
INLINE I32x16 u8_or(I32x16 x, I32x16 y) { return (I32x16){_mm256_or_si256(x.low, y.low), _mm256_or_si256(x.high, y.high)}; }
INLINE I32x16 shift_right(I32x16 x, int count) { /* bits come in from the byte beside */
  return (I32x16){_mm256_srli_epi16(x.low, count), _mm256_srli_epi16(x.high, count)};
}
INLINE I32x16 shift_left(I32x16 x, int count) {
  return (I32x16){_mm256_slli_epi16(x.low, count), _mm256_slli_epi16(x.high, count)};
}
INLINE I32x16 u8_lookup(__m128i table, I32x16 x) {
  __m256i both = _mm256_broadcastsi128_si256(table);
  return (I32x16){_mm256_shuffle_epi8(both, x.low), _mm256_shuffle_epi8(both, x.high)};
}
#if defined(__AVXVNNI__)
#define QMAX 127
INLINE __m256i dot_u8s8(__m256i sum, __m256i w, __m256i x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
#else
#define QMAX 64 /* maddubs adds two products in 16 bits: they hold 2 · 128 · 127 */
INLINE __m256i dot_u8s8(__m256i sum, __m256i w, __m256i x) {
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
  __asm__("" : "+x"(sum)); /* else compilers add the parts of a sum in another order, for which they save them all on the stack */
  return sum;
}
#endif
INLINE I32x16 i32_dot_u8s8(I32x16 sum, I32x16 w, int32_t x) {
  __m256i all = _mm256_set1_epi32(x);
  return (I32x16){dot_u8s8(sum.low, w.low, all), dot_u8s8(sum.high, w.high, all)};
}
#endif

#define ZERO_POINT ((QMAX + 1) / 2 * 2) /* added to an int8 weight, which dot_u8s8 takes without a sign: 128 or 64 */

/* ---- groups of 32 input channels: their numbers in 4, 5 or 6 bits, and sums of products with them
 *
 * 32 channels of 16 output channels are 8 vectors like those of int8. In memory: 4 vectors of nibbles, vector v with those of vector v
 * and, in the upper halves, of vector v + 4; then, for 5 bits, a vector with the fifth bit of vector v as bit v of each byte; for 6
 * bits two vectors, each with the two upper bits of four. */
#define GROUP 32
#define GROUP_VECTORS (GROUP / 4)

/* What the values of 4 bits mean, in 1/128 of the scale; GRIDS[4] of grouped_weight.py. GRID_ZERO is added where the dot product takes
 * weights without a sign. With maddubs, whose 16 bits do not hold such sums, signs go to the other side. */
#if QMAX == 127
#define GRID_ZERO 128
#else
#define GRID_ZERO 0
#endif
#define G(number) (char)((number) + GRID_ZERO)
INLINE __m128i grid4(void) {
  return _mm_setr_epi8(G(-127), G(-104), G(-83), G(-65), G(-49), G(-35), G(-22), G(-10), G(1), G(13), G(25), G(38), G(53), G(69), G(89), G(113));
}
#undef G

INLINE int group_zero(int bits) { return bits == 4 ? GRID_ZERO : 1 << (bits - 1); }  /* added to each number, as `unpack` has it */
INLINE float group_unit(int bits) { return bits == 4 ? 1 / 128.f : 1 / (float)(1 << (bits - 1)); } /* of a number, in scales */

/* Vector v of a group. */
INLINE I32x16 unpack(int bits, const uint8_t *from, int v) {
  I32x16 x = load_u8(from + v % 4 * 4 * PANEL);
  x = u8_and(v < 4 ? x : shift_right(x, 4), 0x0f);
  if (bits == 4) return u8_lookup(grid4(), x);
  if (bits == 5) {
    I32x16 high = load_u8(from + 4 * 4 * PANEL);
    return u8_or(x, u8_and(v < 4 ? shift_left(high, 4 - v) : shift_right(high, v - 4), 0x10));
  }
  I32x16 high = load_u8(from + (4 + v / 4) * 4 * PANEL);
  int place = 2 * (v % 4);
  return u8_or(x, u8_and(place < 4 ? shift_left(high, 4 - place) : shift_right(high, place - 4), 0x30));
}

/* Each of 16 sums gets the products of four numbers of its output channel, as `unpack` has them, with the same four input bytes. */
INLINE I32x16 i32_dot_group(int bits, I32x16 sum, I32x16 w, int32_t x) {
#if GRID_ZERO == 0
  if (bits == 4) {
    __m256i all = _mm256_set1_epi32(x);
    return (I32x16){dot_u8s8(sum.low, _mm256_abs_epi8(w.low), _mm256_sign_epi8(all, w.low)),
                    dot_u8s8(sum.high, _mm256_abs_epi8(w.high), _mm256_sign_epi8(all, w.high))};
  }
#endif
  (void)bits;
  return i32_dot_u8s8(sum, w, x);
}

/* Bytes of a stream that are requested ahead of their use: the processor's own prefetching ends with a page. Computed as a number:
 * near the end of a weight the address lies behind it, which a prefetch may name and a pointer may not. */
#define PREFETCH_BYTES 4096
INLINE void prefetch_cache(const void *from, int streams) {
  _mm_prefetch((const char *)((uintptr_t)from + PREFETCH_BYTES / (unsigned)streams), _MM_HINT_T0);
}
/* The same for weights, unless they lie in huge pages: there the processor prefetches better by itself. Each product sets it. */
static _Thread_local int weights_prefetched = 1;
INLINE void prefetch(const void *from, int streams) {
  if (weights_prefetched) prefetch_cache(from, streams);
}
