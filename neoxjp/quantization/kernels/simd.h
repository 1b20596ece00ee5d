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
#define ATTN_ROWS 4    /* query rows of one sequence that share one reading of the keys and values */
#define ATTN_VECTORS 5 /* vectors of a head that they read at once: what the registers hold */
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
#define ATTN_ROWS 2
#define ATTN_VECTORS 2
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
#if defined(__AVXVNNI__)
#define QMAX 127
INLINE __m256i dot_u8s8(__m256i sum, __m256i w, __m256i x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
#else
#define QMAX 64 /* maddubs adds two products in 16 bits: they hold 2 · 128 · 127 */
INLINE __m256i dot_u8s8(__m256i sum, __m256i w, __m256i x) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
#endif
INLINE I32x16 i32_dot_u8s8(I32x16 sum, I32x16 w, int32_t x) {
  __m256i all = _mm256_set1_epi32(x);
  return (I32x16){dot_u8s8(sum.low, w.low, all), dot_u8s8(sum.high, w.high, all)};
}
#endif

#define ZERO_POINT ((QMAX + 1) / 2 * 2) /* added to an int8 weight, which dot_u8s8 takes without a sign: 128 or 64 */

/* Bytes of a stream that are requested ahead of their use: the processor's own prefetching ends with a page. Computed as a number:
 * near the end of a weight the address lies behind it, which a prefetch may name and a pointer may not. */
#define PREFETCH_BYTES 8192
INLINE void prefetch(const void *from, int streams) {
  _mm_prefetch((const char *)((uintptr_t)from + PREFETCH_BYTES / (unsigned)streams), _MM_HINT_T0);
}
