/* export.h - what is visible outside the shared library. */
#ifndef SLUICE_EXPORT_H
#define SLUICE_EXPORT_H

#if defined(SLUICE_STATIC) || !defined(__GNUC__)
#define SLUICE_EXTERN
#else
#define SLUICE_EXTERN __attribute__((visibility("default")))
#endif

#endif
