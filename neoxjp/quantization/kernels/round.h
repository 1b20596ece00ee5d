/* Plain weights to groups: the nearest numbers of the grid, with the scale that gives the smallest squared error, as grouped_weight.py's
 * `round_to_groups` does it. */
#pragma once
#include <math.h>

#include "simd.h"
#include "team.h"

/* grid: 2^bits numbers, rising. ends: where a group's number of the largest magnitude is placed, in turn. All in 1/128 of the scale. */
typedef struct {
  const float *w; /* (rows, in) */
  int64_t rows, in;
  const float *grid, *ends;
  int32_t bits, n_ends;
  uint8_t *values; /* (rows, in) */
  uint16_t *scale; /* (rows, groups), fp16 */
} RoundJob;

static void round_group(const RoundJob *job, const float *x, int count, uint8_t *to, uint16_t *scale) {
  float largest = 0, best = INFINITY, chosen = 0;
  for (int k = 0; k < count; k++) {
    largest = fabsf(x[k]) > fabsf(largest) ? x[k] : largest;
    chosen += x[k] * 0; /* NaN where a number is not finite, so that the weight shows it */
  }
  memset(to, 0, count);
  for (int e = 0; e < job->n_ends; e++) {
    float tried = largest * (128 / job->ends[e]), factor = 128 / (tried == 0 ? 1 : tried), dot = 0, squares = 0, error = 0;
    float numbers[GROUP], indices[GROUP];
#pragma omp simd
    for (int k = 0; k < count; k++) numbers[k] = job->grid[0], indices[k] = 0;
    for (int n = 1; n < 1 << job->bits; n++) {
      float bound = (job->grid[n - 1] + job->grid[n]) / 2, step = job->grid[n] - job->grid[n - 1];
#pragma omp simd
      for (int k = 0; k < count; k++) {
        int above = x[k] * factor > bound;
        numbers[k] += above ? step : 0;
        indices[k] += above ? 1 : 0;
      }
    }
#pragma omp simd reduction(+ : dot, squares)
    for (int k = 0; k < count; k++) dot += numbers[k] * x[k], squares += numbers[k] * numbers[k];
    float fitted = dot / (squares < 1 ? 1 : squares) * 128;
    fitted = _cvtsh_ss(_cvtss_sh(fitted > 65504 ? 65504 : fitted < -65504 ? -65504 : fitted, 0));
#pragma omp simd reduction(+ : error)
    for (int k = 0; k < count; k++) {
      float apart = numbers[k] * (fitted / 128) - x[k];
      error += apart * apart;
    }
    if (error < best) {
      best = error, chosen = fitted;
      for (int k = 0; k < count; k++) to[k] = (uint8_t)indices[k];
    }
  }
  *scale = _cvtss_sh(chosen, 0);
}

static void round_work(const Worker *worker, void *arg) {
  const RoundJob *job = arg;
  int64_t groups = (job->in + GROUP - 1) / GROUP;
  FOR_MY_SHARE(worker, r, job->rows)
  for (int64_t g = 0; g < groups; g++) {
    int count = job->in - g * GROUP < GROUP ? (int)(job->in - g * GROUP) : GROUP;
    round_group(job, job->w + r * job->in + g * GROUP, count, job->values + r * job->in + g * GROUP, job->scale + r * groups + g);
  }
}
