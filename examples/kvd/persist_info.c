/* persist_info.c - what INFO says about saving. Redis's names where Redis has
 * one; times in its units. */
#include <stdio.h>
#include <string.h>

#include "persist.h"

typedef unsigned long long ull;

static const char *policy_name(sluice_ram_preimage_policy_t policy) {
  switch (policy) {
  case SLUICE_RAM_FAIL: return "fail";
  case SLUICE_RAM_SPILL: return "spill";
  case SLUICE_RAM_SLOW: return "slow";
  }
  return "";
}

/* As it stands: of the save that runs, or of the last one. */
static persist_last_t current(const persist_t *p) {
  persist_last_t now = p->last;
  sluice_engine_stats_t stats;

  if (p->save != NULL) {
    sluice_engine_stats(p->engine, &stats, sizeof(stats));
    sluice_save_progress(p->save, &now.progress, sizeof(now.progress));
    sluice_ram_stats(p->ram, &now.ram, sizeof(now.ram));
    now.slices = stats.turns - p->turns_at_begin;
    now.longest_ns = p->turn->longest_ns;
    now.longest_cpu_ns = p->turn->longest_cpu_ns;
  }
  return now;
}

static int put_redis(const persist_t *p, char *out, size_t size) {
  bool saving = persist_is_saving(p);
  persist_last_t now = current(p);

  return snprintf(
      out, size,
      "loading:0\r\n"
      "rdb_changes_since_last_save:%llu\r\n"
      "rdb_bgsave_in_progress:%d\r\n"
      "rdb_last_save_time:%lld\r\n"
      "rdb_last_bgsave_status:%s\r\n"
      "rdb_last_bgsave_time_sec:%lld\r\n"
      "rdb_current_bgsave_time_sec:%lld\r\n"
      "rdb_saves:%llu\r\n",
      (ull)(p->db->changes - p->changes_saved), saving ? 1 : 0,
      (long long)p->last_save, p->failures == 0 ? "ok" : "err",
      p->saves == 0 ? -1LL : (long long)(p->last.progress.elapsed_ms / 1000),
      saving ? (long long)(now.progress.elapsed_ms / 1000) : -1LL,
      (ull)p->saves);
}

static int put_save(const persist_t *p, char *out, size_t size) {
  persist_last_t now = current(p);
  const sluice_progress_t *at = &now.progress;

  return snprintf(
      out, size,
      "save_phase:%s\r\n"
      "save_image:%llu\r\n"
      "save_bytes_done:%llu\r\n"
      "save_bytes_left:%llu\r\n"
      "save_elapsed_ms:%llu\r\n"
      "save_slices:%llu\r\n"
      "save_longest_turn_us:%llu\r\n"
      "save_longest_turn_cpu_us:%llu\r\n"
      "save_memory_peak:%llu\r\n"
      "save_preimages:%llu\r\n"
      "save_preimage_peak:%llu\r\n"
      "save_preimage_max:%llu\r\n"
      "save_preimage_policy:%s\r\n"
      "save_last_error:%s\r\n",
      p->save != NULL ? sluice_phase_name(at->phase) : "none", (ull)p->number,
      (ull)at->bytes_done,
      p->save != NULL && at->bytes_left != SLUICE_UNKNOWN ? (ull)at->bytes_left
                                                          : 0ULL,
      (ull)at->elapsed_ms, (ull)now.slices, (ull)(now.longest_ns / 1000),
      (ull)(now.longest_cpu_ns / 1000), (ull)at->memory_peak,
      (ull)now.ram.preimages, (ull)now.ram.preimage_peak,
      (ull)p->options->preimage_bytes, policy_name(p->options->preimage_policy),
      now.error);
}

static const char *way_name(sluice_restore_way_t way) {
  switch (way) {
  case SLUICE_RESTORE_EAGER: return "eager";
  case SLUICE_RESTORE_MAPPED: return "mapped";
  case SLUICE_RESTORE_MAPPED_VERIFY: return "mapped-verify";
  case SLUICE_RESTORE_VERIFY_MAPPED: return "verify-mapped";
  }
  return "";
}

static const char *verified_name(const persist_t *p) {
  if (p->behind != NULL) {
    return "running";
  }
  if (p->verified == 0) {
    return "yes";
  }
  return p->verified < 0 ? "no" : "unknown";
}

/* What is not verified yet, or damaged, of the heap as it was restored. */
static sluice_soundness_t soundness(const persist_t *p) {
  sluice_soundness_t s;

  sluice_ram_soundness(p->origin, &s, sizeof(s));
  return s;
}

void persist_info(const persist_t *p, char *out, size_t size) {
  const sluice_soundness_t sound = soundness(p);
  size_t n = (size_t)put_redis(p, out, size);

  if (n < size) {
    n += (size_t)put_save(p, out + n, size - n);
  }
  if (n < size) {
    snprintf(out + n, size - n,
             "restored_image:%llu\r\n"
             "restored_ms:%llu\r\n"
             "restored_way:%s\r\n"
             "restored_mapped_bytes:%llu\r\n"
             "restored_verified:%s\r\n"
             "restored_damaged_bytes:%llu\r\n"
             "restored_unverified_bytes:%llu\r\n"
             "restored_unsound_bytes:%llu\r\n"
             "images_kept:%zu\r\n"
             "loop_longest_turn_us:%llu\r\n",
             (ull)p->restored, (ull)p->restore_ms, way_name(p->load.way),
             (ull)p->load.mapped_bytes, verified_name(p),
             (ull)p->load.damaged_bytes, (ull)sound.unverified_bytes,
             (ull)sound.unsound_bytes, p->images.count,
             (ull)(p->turn->longest_ns / 1000));
  }
}
