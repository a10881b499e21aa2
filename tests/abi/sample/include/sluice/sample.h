/* A public header in small, for tests/abi: each macro is a change. */
#ifndef SLUICE_SAMPLE_H
#define SLUICE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

typedef enum sluice_color_e {
  SLUICE_RED = 1,
#ifdef RENUMBERED
  SLUICE_WHITE,
#endif
  SLUICE_BLUE,
#ifdef MORE_COLORS
  SLUICE_GREEN,
#endif
} sluice_color_t;

typedef struct sluice_box_s sluice_box_t;

typedef struct sluice_box_options_s {
  size_t size;
#ifdef INSERTED
  uint64_t inserted;
#endif
#ifdef RETYPED
  float width;
#else
  uint32_t width;
#endif
#ifdef IN_A_HOLE
  uint32_t hidden;
#endif
#ifdef GROWN
  uint64_t height;
#endif
} sluice_box_options_t;

/* Of a fixed size. */
typedef struct sluice_corner_s {
  int x, y;
#ifdef FIXED_GROWN
  int z;
#endif
} sluice_corner_t;

#ifdef CALLBACK
typedef void (*sluice_box_cb)(void *ctx, int code, int more);
#else
typedef void (*sluice_box_cb)(void *ctx, int code);
#endif

sluice_box_t *sluice_box_new(const sluice_box_options_t *options,
                             sluice_box_cb cb);
#ifdef PARAMETER
sluice_color_t sluice_box_paint(sluice_box_t *box, sluice_corner_t *corner,
                                int how);
#else
sluice_color_t sluice_box_paint(sluice_box_t *box, sluice_corner_t *corner);
#endif
#ifndef REMOVED
int sluice_box_close(sluice_box_t *box);
#endif
#ifdef ADDED
int sluice_box_open(sluice_box_t *box);
#endif

#endif
