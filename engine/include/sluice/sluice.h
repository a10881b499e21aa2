/* sluice.h - everything of the engine; kinds of state are in headers of their
 * own (<sluice/ram.h>, <sluice/blob.h>).
 *
 * Sluice saves and restores the live state of a running program as a stream. A
 * host on a libuv loop makes one engine, fills a registry with sections, and
 * begins saves and restores; all work happens in small slices between the
 * host's own callbacks.
 *
 * Threads: everything is called on the loop's thread unless its comment says
 * otherwise. Ownership: what a call takes on success stays the caller's on
 * failure. Errors: see error.h. */
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include <sluice/alloc.h>
#include <sluice/damage.h>
#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/engine.h>
#include <sluice/error.h>
#include <sluice/executor.h>
#include <sluice/handler.h>
#include <sluice/handover.h>
#include <sluice/item.h>
#include <sluice/options.h>
#include <sluice/progress.h>
#include <sluice/reader.h>
#include <sluice/registry.h>
#include <sluice/restore.h>
#include <sluice/save.h>
#include <sluice/sink.h>
#include <sluice/source.h>
#include <sluice/version.h>
#include <sluice/writer.h>

#endif
