/* trace.c - see trace.h. */
#include "trace.h"

#include <check.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/handler.h>

struct tracer {
  trace_t *t;
  const uint8_t *data;
  size_t left;
  char name[SLUICE_NAME_MAX + 1];
  size_t payload; /* bytes so far of the open one */
  size_t wanted;  /* of an open payload, still */
  bool is_open;
  sluice_run_t zeros; /* count 0: none held back */
};

static void *counted_alloc(void *ctx, size_t size, size_t align) {
  trace_t *t = ctx;
  void *p = NULL;

  if (++t->allocations == t->fail_at) {
    return NULL;
  }
  if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align,
                     size) != 0) {
    return NULL;
  }
  t->live += size;
  t->peak = t->live > t->peak ? t->live : t->peak;
  return p;
}

static void counted_release(void *ctx, void *p, size_t size, size_t align) {
  trace_t *t = ctx;

  (void)align;
  ck_assert_uint_ge(t->live, size);
  t->live -= size;
  free(p);
}

static void say(trace_t *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(trace_t *t, const char *format, ...) {
  char line[512];
  va_list ap;
  int n;

  va_start(ap, format);
  n = vsnprintf(line, sizeof(line), format, ap);
  va_end(ap);
  build_raw(&t->text, line, (size_t)n);
}

static void say_zeros(struct tracer *r) {
  sluice_run_t *z = &r->zeros;

  if (z->count > 0) {
    say(r->t, "zeros %u+0x%llx x%llu fill %u\n", z->region,
        (unsigned long long)z->offset, (unsigned long long)z->count, z->fill);
    z->count = 0;
  }
}

static void take_zeros(struct tracer *r, const sluice_run_t *run) {
  sluice_run_t *z = &r->zeros;

  if (z->count > 0 && z->region == run->region && z->fill == run->fill &&
      z->offset + z->count * z->page_size == run->offset) {
    z->count += run->count;
    return;
  }
  say_zeros(r);
  *z = *run;
}

static void take_bytes(struct tracer *r, sluice_decoder_t *d,
                       const sluice_bytes_t *bytes) {
  size_t n = bytes->len;

  ck_assert_uint_gt(bytes->len, 0);
  r->is_open = bytes->is_open != 0;
  if (r->is_open) {
    n = n < r->wanted ? n : r->wanted;
    r->wanted -= n;
    sluice_decoder_consume(d, n);
    if (r->wanted == 0) {
      sluice_decoder_end_payload(d);
    }
  }
  r->payload += n;
}

static void say_run(trace_t *t, const char *what, const sluice_run_t *run) {
  say(t, "%s %u+0x%llx x%llu len %zu first %02x\n", what, run->region,
      (unsigned long long)run->offset, (unsigned long long)run->count, run->len,
      run->data[0]);
}

static void open_section(struct tracer *r, const char *what,
                         const sluice_item_t *item) {
  trace_t *t = r->t;
  const sluice_decl_t *decl = &item->u.decl;

  (void)snprintf(r->name, sizeof(r->name), "%s", decl->name);
  r->payload = 0;
  r->wanted = t->device_bytes == NULL ? 4 : t->device_bytes(decl->name);
  say(t, "%s %s@%llu id %u instance %u v%u%s%s\n", what, decl->name,
      (unsigned long long)item->offset, decl->id, decl->instance, decl->version,
      (decl->flags & SLUICE_SECTION_LIVE) != 0 ? " live" : "",
      decl->payload == SLUICE_PAYLOAD_PAGES ? " pages" : "");
}

static void take_item(struct tracer *r, sluice_decoder_t *d,
                      const sluice_item_t *item) {
  trace_t *t = r->t;

  if (item->kind != SLUICE_ITEM_ZEROS) {
    say_zeros(r);
  }
  switch (item->kind) {
  case SLUICE_ITEM_HEADER:
    say(t, "header %u '%s'\n", item->u.header.version, item->u.header.host);
    break;
  case SLUICE_ITEM_NOTE:
    say(t, "note %s@%llu len %zu first %02x\n", item->u.note.name,
        (unsigned long long)item->offset, item->u.note.len,
        item->u.note.len > 0 ? item->u.note.data[0] : 0);
    break;
  case SLUICE_ITEM_SECTION: open_section(r, "section", item); break;
  case SLUICE_ITEM_PART: open_section(r, "part", item); break;
  case SLUICE_ITEM_END: open_section(r, "end", item); break;
  case SLUICE_ITEM_CLOSE:
    say(t, "close@%llu %llu bytes %zu\n", (unsigned long long)item->offset,
        (unsigned long long)item->u.payload_bytes, r->payload);
    break;
  case SLUICE_ITEM_REGION:
    say(t, "region %u '%s' %llu of %u in %u\n", item->u.region.index,
        item->u.region.name, (unsigned long long)item->u.region.bytes,
        item->u.region.page_size, item->u.region.section_id);
    break;
  case SLUICE_ITEM_PAGES: say_run(t, "pages", &item->u.run); break;
  case SLUICE_ITEM_DELTA: say_run(t, "delta", &item->u.run); break;
  case SLUICE_ITEM_ZEROS: take_zeros(r, &item->u.run); break;
  case SLUICE_ITEM_BYTES: take_bytes(r, d, &item->u.bytes); break;
  case SLUICE_ITEM_COMMAND:
    say(t, "command %u %s len %zu\n", item->u.command.number,
        item->u.command.name, item->u.command.len);
    break;
  case SLUICE_ITEM_ABORT: say(t, "abort\n"); break;
  case SLUICE_ITEM_TRAILER:
    say(t, "trailer %llu records %llu data %llu zero %llu\n",
        (unsigned long long)item->u.totals.bytes,
        (unsigned long long)item->u.totals.records,
        (unsigned long long)item->u.totals.pages_data,
        (unsigned long long)item->u.totals.pages_zero);
    break;
  }
}

static void feed(struct tracer *r, sluice_decoder_t *d) {
  void *space;
  size_t len;

  sluice_decoder_space(d, &space, &len);
  if (r->left == 0) {
    sluice_decoder_eof(d);
    return;
  }
  ck_assert_uint_gt(len, 0);
  if (r->t->chunk > 0 && len > r->t->chunk) {
    len = r->t->chunk;
  }
  len = len < r->left ? len : r->left;
  memcpy(space, r->data, len);
  sluice_decoder_fill(d, len);
  r->data += len;
  r->left -= len;
}

static void decode(struct tracer *r, sluice_decoder_t *d) {
  trace_t *t = r->t;
  sluice_item_t item;

  for (;;) {
    t->result = sluice_decoder_next(d, &item, &t->error);
    if (t->result == SLUICE_WAIT) {
      feed(r, d);
    } else if (t->result == SLUICE_MORE) {
      take_item(r, d, &item);
    } else {
      break;
    }
  }
  say_zeros(r);
  if (t->result < 0) {
    ck_assert_int_eq(t->result, t->error.code);
    ck_assert_int_ne(t->error.message[0], '\0');
    ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), t->result);
  }
}

void trace_run(trace_t *t, const void *data, size_t len) {
  sluice_alloc_t alloc = {
      .ctx = t, .alloc = counted_alloc, .release = counted_release};
  struct tracer r = {.t = t, .data = data, .left = len};
  sluice_decoder_t *d = NULL;

  t->options.size = sizeof(t->options);
  t->result = sluice_decoder_new(&d, &t->options, &alloc);
  if (t->result == 0) {
    decode(&r, d);
  }
  sluice_decoder_free(d);
  ck_assert_msg(t->live == 0, "%zu bytes were not given back", t->live);
}

void trace_done(trace_t *t) {
  build_done(&t->text);
}

const char *trace_text(trace_t *t) {
  build_u8(&t->text, 0);
  t->text.len--;
  return (const char *)t->text.data;
}
