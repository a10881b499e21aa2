/* instructions.c - one operation and nothing else, to be counted by callgrind.
 *
 *   instructions native|qemu3|zeros|restore|restore_zeros|queue COUNT
 *
 * COUNT are pages, or continuations. Callgrind collects inside counted() only;
 * the script beside this file runs it twice, with few and with many, and the
 * difference is what one costs. The clock stands still, so that slices end by
 * bytes and not by how slow the machine is. Prints the bytes that other
 * libraries were asked to move meanwhile (bulk.h). */
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "host.h"
#include "memory.h"
#include "queue.h"

enum { PAGE = 4096, COUNT_MAX = 1 << 16, HANDLERS = 1000 };

typedef struct job_s job_t;

struct job_s {
  const char *(*run)(job_t *job);
  host_t host;
  sluice_sink_t *sink;
  sluice_source_t *source;
  sluice_save_options_t options;
  sluice__queue_t queue;
  uint64_t count;
};

static uint64_t stand_still(void *ctx) {
  (void)ctx;
  return 1;
}

static const char *run_save(job_t *job) {
  return host_save(&job->host, job->sink, &job->options);
}

static const char *run_restore(job_t *job) {
  return host_restore(&job->host, job->source);
}

/* As many continuations as asked for, by turns of all handlers. */
static const char *run_queue(job_t *job) {
  const sluice__clock_t clock = {stand_still, NULL};
  sluice__cont_t *failed;
  sluice__budget_t b;

  for (uint64_t done = 0; done < job->count; done += HANDLERS) {
    sluice__budget_open(&b, &clock, UINT64_MAX, UINT64_MAX);
    if (sluice__queue_drain(&job->queue, &b, &failed) < 0) {
      return "a step failed";
    }
  }
  return NULL;
}

/* What callgrind collects in: by its name. */
__attribute__((noinline, used)) static const char *counted(job_t *job) {
  const char *error = job->run(job);

  __asm__ volatile("" ::: "memory"); /* no tail call out of here */
  return error;
}

static int count_it(job_t *job) {
  uint64_t before = bulk_bytes();
  const char *error = counted(job);

  if (error != NULL) {
    (void)fprintf(stderr, "%s\n", error);
    return 1;
  }
  printf("bytes %llu\n", (unsigned long long)(bulk_bytes() - before));
  return 0;
}

static int small_step(sluice__cont_t *c, sluice__budget_t *b) {
  (void)c;
  sluice__budget_charge(b, 1);
  return SLUICE__MORE;
}

static int count_queue(job_t *job) {
  static sluice__cont_t conts[HANDLERS];
  int status;

  sluice__queue_init(&job->queue, NULL);
  for (int i = 0; i < HANDLERS; i++) {
    sluice__cont_init(&conts[i], &job->queue, small_step, SLUICE__BULK, 100);
    sluice__queue_wake(&conts[i]);
  }
  job->run = run_queue;
  status = count_it(job);
  sluice__queue_cancel_all(&job->queue);
  return status;
}

static int count_restore(job_t *job) {
  void *data = NULL;
  size_t len = 0;
  int status = 1;

  job->run = run_restore;
  if (sluice_sink_memory(&job->sink, (size_t)1 << 30, &data, &len) == 0 &&
      run_save(job) == NULL &&
      sluice_source_memory(&job->source, data, len) == 0) {
    status = count_it(job);
  }
  free(data);
  return status;
}

static int count_save(job_t *job) {
  job->run = run_save;
  job->sink = host_null_sink();
  return count_it(job);
}

static int count_pages(job_t *job, const char *kind) {
  const host_config_t config = {.base = memory_new(job->count * PAGE),
                                .bytes = job->count * PAGE,
                                .clock = stand_still,
                                .region_flags = SLUICE_RAM_IN_PLACE,
                                .tracker = SLUICE_RAM_STATIC};
  int status;

  if (strstr(kind, "zeros") == NULL) {
    memory_fill(config.base, config.bytes, 1);
  }
  job->options = (sluice_save_options_t){.size = sizeof(sluice_save_options_t),
                                         .format = strcmp(kind, "qemu3") == 0
                                                       ? SLUICE_FORMAT_QEMU3
                                                       : SLUICE_FORMAT_NATIVE,
                                         .host = "pc"};
  host_open(&job->host, &config);
  status =
      strncmp(kind, "restore", 7) == 0 ? count_restore(job) : count_save(job);
  host_close(&job->host);
  return status;
}

int main(int argc, char **argv) {
  static job_t job;

  job.count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
  if (job.count == 0 || job.count > COUNT_MAX) {
    (void)fprintf(stderr, "usage: instructions KIND COUNT\n");
    return 2;
  }
  return strcmp(argv[1], "queue") == 0 ? count_queue(&job)
                                       : count_pages(&job, argv[1]);
}
