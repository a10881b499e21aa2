/* mode.c - AUTO: the mode that fits the sections, and why it is that one.
 *
 * A cut, where it is possible, is of one instant, without a pause, and writes
 * each page once; a save that converges can be had of every section. */
#include "session/save/save.h"

#include <sluice/options.h>

static int can_cut(const sluice_section_t *section, sluice_error_t *err) {
  const sluice_handler_t *h = section->handler;
  sluice_error_t why = {0};
  int r = h->save_can_cut == NULL ? 0 : h->save_can_cut(section->self, &why);

  if (r == 0) {
    return 0;
  }
  return sluice_fail(err, r < 0 ? r : SLUICE_EHANDLER,
                     "section '%s' cannot be cut: %s",
                     sluice__section_name(section),
                     why.code != 0 ? why.message : sluice_strerror(r));
}

static int can_all_cut(const sluice_registry_t *registry, sluice_error_t *err) {
  int r = sluice__save_check_snapshot(registry, err);

  for (const sluice_section_t *at = registry->first; at != NULL && r == 0;
       at = at->next) {
    r = can_cut(at, err);
  }
  return r;
}

void sluice__save_choose_mode(sluice_save_options_t *o,
                              const sluice_registry_t *registry,
                              sluice_error_t *out_why) {
  if (o->mode == SLUICE_AUTO) {
    o->mode =
        can_all_cut(registry, out_why) == 0 ? SLUICE_CUT : SLUICE_CONVERGE;
  }
}

void sluice_save_stats(const sluice_save_t *save, sluice_save_stats_t *out,
                       size_t size) {
  sluice_save_stats_t stats = {0};

  if (save != NULL) {
    stats.mode = save->options.mode;
    stats.reason = save->not_cut.code != 0 ? save->not_cut.message : NULL;
  }
  sluice_result_copy(out, size, &stats, sizeof(stats));
}
