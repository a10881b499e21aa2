/* queue_model.c - see queue_model.h. Everything is O(n) and nothing is clever:
 * rounds of services are walked one by one, lists are shifted. */
#include "queue_model.h"

#include <string.h>

enum { DONE, MORE, WAIT }; /* what steps return */

static void push(model_list_t *l, int id) {
  l->id[l->count++] = id;
}

static void erase(model_list_t *l, int id) {
  int kept = 0;

  for (int i = 0; i < l->count; i++) {
    if (l->id[i] != id) {
      l->id[kept++] = l->id[i];
    }
  }
  l->count = kept;
}

void model_init(model_t *m, uint64_t quantum_min, uint64_t share) {
  memset(m, 0, sizeof(*m));
  m->quantum_min = quantum_min;
  m->share = share;
  m->running = -1;
}

void model_node(model_t *m, int id, int class_, uint32_t weight) {
  m->node[id] = (model_node_t){.class_ = class_, .weight = weight};
}

static void make_ready(model_t *m, int id) {
  m->node[id].state = MODEL_READY;
  m->node[id].is_due = false;
  push(&m->ready[m->node[id].class_], id);
}

void model_wake(model_t *m, int id) {
  if (m->node[id].state == MODEL_RUNNING) {
    m->is_woken = true;
  } else if (m->node[id].state != MODEL_READY) {
    erase(&m->parked, id);
    make_ready(m, id);
  }
}

void model_post(model_t *m, int id) {
  if (!m->node[id].is_posted) {
    m->node[id].is_posted = true;
    push(&m->posted, id);
  }
}

static void take_posted(model_t *m) {
  for (int i = 0; i < m->posted.count; i++) {
    m->node[m->posted.id[i]].is_posted = false;
    model_wake(m, m->posted.id[i]);
  }
  m->posted.count = 0;
}

static void leave(model_t *m, int id) {
  erase(&m->ready[m->node[id].class_], id);
  erase(&m->parked, id);
  m->node[id].state = MODEL_IDLE;
  m->node[id].deficit = 0;
}

void model_cancel(model_t *m, int id) {
  bool was_idle = m->node[id].state == MODEL_IDLE;

  if (m->node[id].is_posted) {
    take_posted(m);
  }
  if (m->node[id].state == MODEL_RUNNING) {
    m->is_cancelled = true;
    return;
  }
  leave(m, id);
  if (!was_idle) {
    push(&m->cancelled, id);
  }
}

static void cancel_list(model_t *m, model_list_t *l) {
  while (l->count > 0) {
    model_cancel(m, l->id[0]);
  }
}

void model_cancel_all(model_t *m) {
  for (int i = 0; i < m->posted.count; i++) {
    m->node[m->posted.id[i]].is_posted = false;
  }
  m->posted.count = 0;
  m->is_cancelled = m->running >= 0;
  for (int k = 0; k < MODEL_CLASSES; k++) {
    cancel_list(m, &m->ready[k]);
  }
  cancel_list(m, &m->parked);
}

void model_reclass(model_t *m, int id, int class_) {
  model_node_t *n = &m->node[id];

  if (n->class_ == class_) {
    return;
  }
  if (n->state == MODEL_READY) {
    erase(&m->ready[n->class_], id);
    n->class_ = class_;
    make_ready(m, id);
  }
  n->class_ = class_;
}

void model_open(model_t *m, uint64_t bytes) {
  take_posted(m);
  m->phase = MODEL_FLOOR;
  m->class_now = 0;
  m->is_entered = false;
  m->has_run = false;
  m->bytes = bytes;
  m->used = 0;
  for (int k = 0; k < MODEL_CLASSES; k++) {
    m->weight[k] = 0;
    m->count[k] = (uint64_t)m->ready[k].count;
    m->was_served[k] = false;
    for (int i = 0; i < m->ready[k].count; i++) {
      m->weight[k] += m->node[m->ready[k].id[i]].weight;
      m->node[m->ready[k].id[i]].is_due = true;
    }
  }
}

static bool is_due(const model_t *m, int k) {
  return m->ready[k].count > 0 && m->node[m->ready[k].id[0]].is_due;
}

static void enter(model_t *m, int k, uint64_t limit) {
  uint64_t left = m->used < limit ? limit - m->used : 0;
  uint64_t least = m->quantum_min * m->count[k];

  m->limit = limit;
  m->class_now = k;
  m->class_bytes = left > least ? left : least;
}

static uint64_t capped(const model_t *m, int k) {
  uint64_t limit = m->bytes;

  for (int below = k + 1; below < MODEL_CLASSES; below++) {
    limit = is_due(m, below) ? limit * m->share / 100 : limit;
  }
  return limit;
}

/* Visits the first of class `k`; true when that runs it. */
static bool serve(model_t *m, int k) {
  int id = m->ready[k].id[0];
  model_node_t *n = &m->node[id];
  int64_t quantum = (int64_t)(m->class_bytes * n->weight / m->weight[k]);

  quantum = quantum == 0 ? 1 : quantum;
  n->deficit += quantum;
  n->deficit = n->deficit > 4 * quantum ? 4 * quantum : n->deficit;
  m->was_served[k] = true;
  erase(&m->ready[k], id);
  if (n->deficit <= 0) {
    make_ready(m, id);
    return false;
  }
  m->run_deficit = n->deficit;
  n->deficit = 0;
  n->state = MODEL_RUNNING;
  m->running = id;
  m->is_woken = false;
  m->is_cancelled = false;
  m->has_run = true;
  return true;
}

static bool force(model_t *m, int k, uint64_t limit) {
  enter(m, k, limit);
  while (!serve(m, k)) {
  }
  return true;
}

static bool run_floor(model_t *m) {
  unsigned patience = (unsigned)(m->share / (100 - m->share));

  m->phase = MODEL_CAPPED;
  for (int k = MODEL_CLASSES - 1; k > 0; k--) {
    if (is_due(m, k) && m->passed_over[k] >= (patience > 0 ? patience : 1)) {
      (void)force(m, k, m->bytes - m->bytes * m->share / 100);
      m->class_now = 0;
      return true;
    }
  }
  return false;
}

/* Goes on where the last step was. */
static bool run_classes(model_t *m, bool is_capped) {
  for (; m->class_now < MODEL_CLASSES; m->class_now++) {
    int k = m->class_now;

    if (!m->is_entered && is_due(m, k)) {
      enter(m, k, is_capped ? capped(m, k) : m->bytes);
      m->is_entered = true;
    }
    while (m->is_entered && is_due(m, k) && m->used < m->limit) {
      if (serve(m, k)) {
        return true;
      }
    }
    m->is_entered = false;
  }
  m->class_now = 0;
  m->phase = is_capped ? MODEL_UNCAPPED : MODEL_FORCED;
  return false;
}

static bool run_forced(model_t *m) {
  m->phase = MODEL_OVER;
  for (int k = 0; k < MODEL_CLASSES && !m->has_run; k++) {
    if (m->ready[k].count > 0) {
      return force(m, k, m->bytes);
    }
  }
  return false;
}

static bool run_next(model_t *m) {
  bool runs = false;

  while (!runs && m->phase != MODEL_OVER) {
    switch (m->phase) {
    case MODEL_FLOOR: runs = run_floor(m); break;
    case MODEL_CAPPED: runs = run_classes(m, true); break;
    case MODEL_UNCAPPED: runs = run_classes(m, false); break;
    case MODEL_FORCED: runs = run_forced(m); break;
    case MODEL_OVER: break;
    }
  }
  return runs;
}

/* The limit still is that of the class that the step belongs to. */
int model_next(model_t *m, uint64_t *left) {
  if (!run_next(m)) {
    return -1;
  }
  *left = m->used < m->limit ? m->limit - m->used : 0;
  if ((uint64_t)m->run_deficit < *left) {
    *left = (uint64_t)m->run_deficit;
  }
  return m->running;
}

static void settle(model_t *m, int id, int result, int64_t deficit) {
  model_node_t *n = &m->node[id];

  n->deficit = deficit;
  if (result == MORE || m->is_woken) {
    make_ready(m, id);
    return;
  }
  n->deficit = deficit > 0 ? 0 : deficit;
  n->state = MODEL_PARKED;
  push(&m->parked, id);
}

void model_finish(model_t *m, int result, uint64_t used) {
  int id = m->running;

  m->running = -1;
  m->used += used;
  m->node[id].state = MODEL_IDLE;
  if (m->is_cancelled) {
    if (result > DONE) {
      push(&m->cancelled, id);
    }
  } else if (result > DONE) {
    settle(m, id, result, m->run_deficit - (int64_t)used);
  } else if (result < 0) {
    m->phase = MODEL_OVER;
  }
}

int model_close(model_t *m) {
  bool has_ready = m->posted.count > 0;

  for (int k = 0; k < MODEL_CLASSES; k++) {
    bool was_left_out = m->count[k] > 0 && !m->was_served[k];

    m->passed_over[k] = was_left_out ? m->passed_over[k] + 1 : 0;
    has_ready = has_ready || m->ready[k].count > 0;
  }
  if (has_ready) {
    return MORE;
  }
  return m->parked.count > 0 ? WAIT : DONE;
}
