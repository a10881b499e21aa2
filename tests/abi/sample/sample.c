/* The library of sample.h. */
#include <sluice/sample.h>

/* A host knows the name alone. */
struct sluice_box_s {
#ifdef PRIVATE
  long more;
#endif
  sluice_box_cb cb;
  size_t size;
};

static sluice_box_t the_box;

sluice_box_t *sluice_box_new(const sluice_box_options_t *options,
                             sluice_box_cb cb) {
  the_box.cb = cb;
  the_box.size = options->size;
  return &the_box;
}

#ifdef PARAMETER
sluice_color_t sluice_box_paint(sluice_box_t *box, sluice_corner_t *corner,
                                int how) {
  corner->x = how;
  return box->size ? SLUICE_RED : SLUICE_BLUE;
}
#else
sluice_color_t sluice_box_paint(sluice_box_t *box, sluice_corner_t *corner) {
  corner->x = 0;
  return box->size ? SLUICE_RED : SLUICE_BLUE;
}
#endif

#ifndef REMOVED
int sluice_box_close(sluice_box_t *box) {
  return box->size > 0;
}
#endif

#ifdef ADDED
int sluice_box_open(sluice_box_t *box) {
  return box->size == 0;
}
#endif
