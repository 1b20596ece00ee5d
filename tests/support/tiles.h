/* The tiles of AMX in plain C, put before network.c by a test: so that code for them runs on processors without them. */
#undef __AMX_INT8__
#define __AMX_INT8__ 1

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int tiles_played; /* products of two tiles */

static __thread struct { uint8_t palette, start, rest[14]; uint16_t bytes[16]; uint8_t rows[16]; } tiles;
static __thread uint8_t tile[8][16][64];

static void load_config(const void *from) { memcpy(&tiles, from, sizeof tiles); }
static void store_config(void *to) { memcpy(to, &tiles, sizeof tiles); }

/* A processor raises a fault where tiles are used that nothing has set up. */
static void must_be(int is) {
  if (!is) abort();
}

static void zero(int t) {
  must_be(tiles.palette == 1);
  memset(tile[t], 0, sizeof tile[t]);
}

static void load(int t, const void *from, int64_t stride) {
  zero(t);
  for (int r = 0; r < tiles.rows[t]; r++) memcpy(tile[t][r], (const char *)from + r * stride, tiles.bytes[t]);
}

static void store(int t, void *to, int64_t stride) {
  must_be(tiles.palette == 1);
  for (int r = 0; r < tiles.rows[t]; r++) memcpy((char *)to + r * stride, tile[t][r], tiles.bytes[t]);
}

/* sum[m][n] += the products of four signed bytes a[m][k] with four unsigned ones b[k][n], for every k */
static void add_products_of_tiles(int sum, int a, int b) {
  must_be(tiles.palette == 1 && tiles.rows[a] == tiles.rows[sum] && tiles.bytes[b] == tiles.bytes[sum]);
  must_be(tiles.rows[b] * 4 == tiles.bytes[a]);
  for (int m = 0; m < tiles.rows[sum]; m++)
    for (int n = 0; n < tiles.bytes[sum] / 4; n++) {
      int32_t all;
      memcpy(&all, &tile[sum][m][4 * n], sizeof all);
      for (int k = 0; k < tiles.rows[b]; k++)
        for (int i = 0; i < 4; i++) all += (int8_t)tile[a][m][4 * k + i] * tile[b][k][4 * n + i];
      memcpy(&tile[sum][m][4 * n], &all, sizeof all);
    }
  __atomic_fetch_add(&tiles_played, 1, __ATOMIC_RELAXED);
}

#undef _tile_loadconfig
#undef _tile_storeconfig
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbsud
#define _tile_loadconfig load_config
#define _tile_storeconfig store_config
#define _tile_zero zero
#define _tile_loadd load
#define _tile_stored store
#define _tile_dpbsud add_products_of_tiles
#define syscall(number, ...) ((number) == SYS_arch_prctl ? 0 : syscall(number, __VA_ARGS__)) /* the kernel permits tiles */
