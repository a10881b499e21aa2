/* postcopy.c - see postcopy.h. */
#include "session/restore/postcopy.h"

#include <uv.h>

static uint8_t *place_of(const sluice__postcopy_t *p,
                         const sluice__image_extent_t *extent) {
  const sluice_section_t *section = extent->owner;
  const sluice_handler_t *h = section->handler;
  const sluice_extent_t told = {.region = extent->region,
                                .page_size = extent->page_size,
                                .offset = extent->offset,
                                .bytes = extent->bytes,
                                .fd = p->fd,
                                .at = extent->at};

  return h->restore_late_place == NULL
             ? NULL
             : h->restore_late_place(section->self, &told);
}

static void on_gone(void *ctx) {
  sluice__postcopy_t *p = ctx;

  p->closing = NULL;
  p->gone(p->ctx);
}

static int add_extent(sluice__postcopy_t *p,
                      const sluice__image_extent_t *extent, uint8_t *to) {
  int64_t tag =
      sluice__region_names_tag(&p->names, extent, to - extent->offset);
  const sluice__demand_pages_t pages = {.to = to,
                                        .at = extent->at,
                                        .bytes = extent->bytes,
                                        .gap = p->gap,
                                        .tag = (uint32_t)tag};

  return tag < 0 ? (int)tag : sluice__demand_add(p->demand, &pages);
}

bool sluice__postcopy_offer(sluice__postcopy_t *p,
                            const sluice__image_extent_t *extent) {
  uint8_t *to;

  if (!p->is_wanted || p->reason != NULL) {
    return false;
  }
  to = place_of(p, extent);
  if (to == NULL) {
    p->gap++; /* what is read before is in between */
    return false;
  }
  if (p->demand == NULL &&
      sluice__demand_new(&p->demand, p->loop, p->fd, on_gone, p) < 0) {
    p->reason = "no memory";
    return false;
  }
  p->gap += extent->region != p->gap_region;
  p->gap_region = extent->region;
  if (add_extent(p, extent, to) < 0) {
    p->reason = "no memory";
    return false;
  }
  return true;
}

void sluice__postcopy_pass(sluice__postcopy_t *p) {
  p->gap++;
}

static const char *name_reason(int code) {
  return code == UV_EPERM || code == UV_EACCES ? "userfaultfd is not allowed"
         : code == UV_ENOMEM                   ? "no memory"
         : code == UV_EAGAIN
             ? "no thread is to be had"
             : "the kernel has no userfaultfd with poison (Linux 6.6)";
}

bool sluice__postcopy_start(sluice__postcopy_t *p) {
  int r;

  if (p->demand == NULL) {
    return false;
  }
  if (p->reason == NULL) {
    r = sluice__demand_start(p->demand);
    p->reason = r < 0 ? name_reason(r) : NULL;
  }
  if (p->reason != NULL) {
    sluice__postcopy_drop(p);
    return false;
  }
  return true;
}

sluice__demand_t *sluice__postcopy_take(sluice__postcopy_t *p) {
  sluice__demand_t *demand = p->demand;

  p->demand = NULL;
  return demand;
}

void sluice__postcopy_drop(sluice__postcopy_t *p) {
  sluice__demand_t *demand = sluice__postcopy_take(p);

  if (demand != NULL && !sluice__demand_drop(demand)) {
    p->closing = demand;
  }
}

void sluice__postcopy_abandon(sluice__postcopy_t *p) {
  if (p->demand != NULL) {
    sluice__demand_abandon(p->demand);
  }
  if (p->closing != NULL) {
    sluice__demand_abandon(p->closing);
  }
  sluice__region_names_close(&p->names);
}

bool sluice__postcopy_is_busy(const sluice__postcopy_t *p) {
  return p->closing != NULL;
}

void sluice__postcopy_stats(const sluice__postcopy_t *p,
                            sluice_restore_stats_t *out) {
  if (p->demand != NULL) {
    sluice__demand_stats_t demand;

    sluice__demand_stats(p->demand, &demand);
    out->late_left = demand.left;
    out->late_faults = demand.faults;
    out->late_lost = demand.lost;
  }
}
