/* The threads of one call. All of them run the same function; what they do together ends at a barrier. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What threads write at a barrier has cache lines of its own: whoever waits reads `generation` again and again. */
typedef struct {
  int size;
  int64_t began;
  _Alignas(64) _Atomic int arrived;
  _Alignas(64) _Atomic int generation;
  _Alignas(64) _Atomic int asleep;
  _Atomic int64_t slept; /* ns, of all threads */
} Team;

typedef struct { Team *team; int index, size; } Worker; /* one thread of a team of `size` */

/* Loops over this thread's share of the items 0 … count - 1: the same at each call, so that they are in its own cache. */
#define FOR_MY_SHARE(worker, n, count) for (int64_t n = (worker)->index; n < (count); n += (worker)->size)

#define SPINS 20000 /* 0.2 to 1 ms */

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wait for the others. OpenMP's own barrier puts a thread to sleep at once where a process has more threads than processors, as
 * one with a page beside its model has; waking it then takes longer than most of what is done between two barriers.
 *
 * Why it is right. `arrived` counts the threads of the present generation. The last one resets it before it raises `generation`,
 * and nobody arrives again before having seen the new generation, so no arrival is lost. Memory: each thread's writes come before
 * its fetch_add (a release), the last fetch_add has read all others (an acquire), and comes before the store to `generation` (a
 * release), which every thread that leaves has read (an acquire): whatever was written before the barrier is visible behind it.
 * Sleep: a waiter raises `asleep` and then compares `generation` (inside the futex call, atomically with going to sleep); the last
 * thread stores `generation` and then reads `asleep`. All four are sequentially consistent: either it sees the waiter and wakes
 * it, or the waiter sees the new generation and does not sleep. A wake-up without a reason only repeats the comparison. */
static void barrier(const Worker *worker) {
  Team *team = worker->team;
  int generation = atomic_load_explicit(&team->generation, memory_order_relaxed);
  if (atomic_fetch_add(&team->arrived, 1) + 1 == worker->size) {
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store(&team->generation, (int)((unsigned)generation + 1));
    if (atomic_load(&team->asleep)) syscall(SYS_futex, &team->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    return;
  }
  for (int n = 0; n < SPINS; n++) {
    if (atomic_load_explicit(&team->generation, memory_order_acquire) != generation) return;
    _mm_pause();
  }
  int64_t began = now_ns();
  atomic_fetch_add(&team->asleep, 1);
  while (atomic_load(&team->generation) == generation)
    syscall(SYS_futex, &team->generation, FUTEX_WAIT_PRIVATE, generation, NULL, NULL, 0);
  atomic_fetch_sub(&team->asleep, 1);
  atomic_fetch_add(&team->slept, now_ns() - began);
}

/* If threads wait too long for each other, as where other programs use the processors too, run single-threaded for a while; the
 * interval doubles each time (20–640 ms). */
#define ALONE_FIRST_NS 20000000
#define ALONE_MAX_NS 640000000
static _Atomic int64_t alone_until, alone_next = ALONE_FIRST_NS;

/* Run `work` in each of `threads` threads: with OpenMP, whose threads the process has anyway; with PTHREADS defined in threads of
 * its own, which ThreadSanitizer understands. */
typedef void (*Work)(const Worker *worker, void *job);
static void run_in_threads(Team *team, int threads, Work work, void *job);

static void run_team(int32_t threads, Work work, void *job) {
  Team team = {.began = now_ns()};
  run_in_threads(&team, team.began < alone_until ? 1 : threads, work, job);
  if (team.size < 2) return;
  int64_t end = now_ns(), next = alone_next;
  if (4 * team.slept > (end - team.began) * (team.size - 1)) {
    alone_until = end + next;
    alone_next = 2 * next < ALONE_MAX_NS ? 2 * next : ALONE_MAX_NS;
  } else {
    alone_next = ALONE_FIRST_NS;
  }
}

#if defined(PTHREADS)
#include <pthread.h>
typedef struct { Worker worker; Work work; void *job; } Started;
static void *start(void *arg) {
  Started *started = arg;
  started->work(&started->worker, started->job);
  return NULL;
}
static void run_in_threads(Team *team, int threads, Work work, void *job) {
  pthread_t ids[64];
  Started started[64];
  team->size = threads = threads < 64 ? threads : 64;
  for (int t = 0; t < threads; t++) {
    started[t] = (Started){{team, t, threads}, work, job};
    if (t) pthread_create(ids + t, NULL, start, started + t);
  }
  start(started);
  for (int t = 1; t < threads; t++) pthread_join(ids[t], NULL);
}
#else
#include <omp.h>
static void run_in_threads(Team *team, int threads, Work work, void *job) {
#pragma omp parallel num_threads(threads)
  {
    Worker worker = {team, omp_get_thread_num(), omp_get_num_threads()};
    if (worker.index == 0) team->size = worker.size;
    work(&worker, job);
  }
}
#endif
