/* kernel_wp.h - what the write-protect tracker needs of Linux 6.7.
 *
 * Older kernel headers (Debian 12 has 6.1) lack these; the binary interface is
 * fixed, so they are written down here under names of our own and only the
 * running kernel decides. Sources: include/uapi/linux/userfaultfd.h and fs.h,
 * Documentation/admin-guide/mm/pagemap.rst. */
#ifndef SLUICE_RAM_KERNEL_WP_H
#define SLUICE_RAM_KERNEL_WP_H

#include <linux/ioctl.h>
#include <stdint.h>

/* userfaultfd features: 6.4 and 6.7. */
#define SLUICE__UFFD_WP_UNPOPULATED (UINT64_C(1) << 13)
#define SLUICE__UFFD_WP_ASYNC       (UINT64_C(1) << 15)

/* userfaultfd(2) without privilege: 5.11. Faults taken inside the kernel are
 * then not delivered; asynchronous write-protect delivers none at all. */
#define SLUICE__UFFD_USER_MODE_ONLY 1

/* /dev/userfaultfd: 6.1. */
#define SLUICE__UFFD_IOC_NEW _IO(0xAA, 0x00)

/* PAGEMAP_SCAN: 6.7. */
typedef struct sluice__pm_region_s {
  uint64_t start; /* address */
  uint64_t end;
  uint64_t categories;
} sluice__pm_region_t;

typedef struct sluice__pm_scan_s {
  uint64_t size; /* of this struct */
  uint64_t flags;
  uint64_t start; /* address */
  uint64_t end;
  uint64_t walk_end; /* out: where the walk stopped */
  uint64_t vec;      /* address of sluice__pm_region_t's */
  uint64_t vec_len;
  uint64_t max_pages; /* 0: no limit */
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
} sluice__pm_scan_t;

#define SLUICE__PM_SCAN               _IOWR('f', 16, sluice__pm_scan_t)
#define SLUICE__PM_SCAN_WP_MATCHING   (UINT64_C(1) << 0)
#define SLUICE__PM_SCAN_CHECK_WPASYNC (UINT64_C(1) << 1)
#define SLUICE__PM_PAGE_IS_WRITTEN    (UINT64_C(1) << 1)

#endif
