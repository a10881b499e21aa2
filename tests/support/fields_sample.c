/* fields_sample.c - see fields_sample.h. */
#include "fields_sample.h"

#include <stdlib.h>
#include <string.h>

#include "require.h"

/* ---- the table ---- */

static const sluice_field_t line_fields[] = {
    {SLUICE_U16(sample_line_t, level)},
    {SLUICE_I32(sample_line_t, delta)},
    {SLUICE_STRING(sample_line_t, label, SAMPLE_STRING_MAX)},
    {SLUICE_FIELDS_END}};

const sluice_table_t sample_line_table = {
    SLUICE_TABLE(sample_line_t, "line", 1, 1), .fields = line_fields};

static const sluice_field_t node_fields[] = {
    {SLUICE_U32(sample_node_t, key)},
    {SLUICE_STRUCT(sample_node_t, line, sample_line_t, &sample_line_table)},
    {SLUICE_FIELDS_END}};

static const sluice_table_t node_table = {
    SLUICE_TABLE(sample_node_t, "node", 1, 1), .fields = node_fields};

static void *next_node(void *owner, void *at) {
  return at == NULL ? ((sample_t *)owner)->list : ((sample_node_t *)at)->next;
}

static void clear_nodes(void *owner) {
  sample_t *s = owner;

  while (s->list != NULL) {
    sample_node_t *node = s->list;

    s->list = node->next;
    sluice_fields_dispose(&node_table, node);
    free(node);
  }
}

static void add_node(void *owner, void *element) {
  sample_node_t **at = &((sample_t *)owner)->list;

  while (*at != NULL) {
    at = &(*at)->next;
  }
  *at = element;
}

static const sluice_list_t node_list = {
    .next = next_node, .clear = clear_nodes, .add = add_node};

static int is_flagged(const void *structure, uint32_t version) {
  (void)version;
  return ((const sample_t *)structure)->flag;
}

static int is_rare(const void *structure) {
  return ((const sample_t *)structure)->rare != 0;
}

static const sluice_field_t rare_fields[] = {{SLUICE_U8(sample_t, rare)},
                                             {SLUICE_U32(sample_t, rare_value)},
                                             {SLUICE_FIELDS_END}};

static const sluice_table_t rare_table = {
    SLUICE_TABLE(sample_t, "sample/rare", 1, 1), .fields = rare_fields,
    .needed = is_rare};

static const sluice_table_t *const subsections[] = {&rare_table, NULL};

static void count_loaded(void *structure) {
  ((sample_t *)structure)->loaded++;
}

static int clear_rare(void *shadow, sluice_error_t *err) {
  (void)err;
  ((sample_t *)shadow)->rare = 0;
  return 0;
}

static const sluice_field_t fields[] = {
    {SLUICE_U8(sample_t, u8)},
    {SLUICE_U16(sample_t, u16)},
    {SLUICE_U32(sample_t, u32)},
    {SLUICE_U64(sample_t, u64)},
    {SLUICE_I8(sample_t, i8), SLUICE_RANGE(-100, 100)},
    {SLUICE_I16(sample_t, i16)},
    {SLUICE_I32(sample_t, i32)},
    {SLUICE_I64(sample_t, i64)},
    {SLUICE_BOOL(sample_t, flag)},
    {SLUICE_FLOAT(sample_t, ratio)},
    {SLUICE_DOUBLE(sample_t, angle)},
    {SLUICE_ARRAY(U32, sample_t, lanes)},
    {SLUICE_U16(sample_t, used)},
    {SLUICE_COUNTED(BYTE, sample_t, fifo, used)},
    {SLUICE_COUNTED(I64, sample_t, marks, used)},
    {SLUICE_TEXT(sample_t, text)},
    {SLUICE_STRING(sample_t, name, SAMPLE_STRING_MAX)},
    {SLUICE_U32(sample_t, owned_count)},
    {SLUICE_OWNED(U16, sample_t, owned, owned_count, SAMPLE_OWNED_MAX)},
    {SLUICE_STRUCT(sample_t, line, sample_line_t, &sample_line_table)},
    {SLUICE_STRUCT_ARRAY(sample_t, lines, sample_line_t, &sample_line_table)},
    {SLUICE_U8(sample_t, more_count)},
    {SLUICE_STRUCT_OWNED(sample_t, more, sample_line_t, &sample_line_table,
                         more_count, 9)},
    {SLUICE_STRUCT_POINTER(sample_t, maybe, sample_line_t, &sample_line_table)},
    {SLUICE_LIST("list", &node_table, &node_list, SAMPLE_LIST_MAX)},
    {SLUICE_UNUSED("unused[0]", 5)},
    {SLUICE_U32(sample_t, only_if_flag), .exists = is_flagged},
    {SLUICE_FIELDS_END}};

const sluice_table_t sample_table = {
    SLUICE_TABLE(sample_t, "sample", 3, 1), .fields = fields,
    .subsections = subsections, .pre_load = clear_rare, .loaded = count_loaded};

/* ---- values ---- */

static void *take(size_t size) {
  void *p = calloc(1, size == 0 ? 1 : size);

  REQUIRE(p != NULL);
  return p;
}

static void fill_bytes(void *to, size_t len, seed_t *seed) {
  for (size_t i = 0; i < len; i++) {
    ((uint8_t *)to)[i] = (uint8_t)seed_next(seed);
  }
}

static char *random_text(size_t max, seed_t *seed) {
  size_t len = (size_t)seed_below(seed, max + 1);
  char *text;

  if (seed_below(seed, 4) == 0) {
    return NULL;
  }
  text = take(len + 1);
  for (size_t i = 0; i < len; i++) {
    text[i] = (char)('a' + seed_below(seed, 26));
  }
  return text;
}

static void fill_line(sample_line_t *line, seed_t *seed) {
  line->level = (uint16_t)seed_next(seed);
  line->delta = (int32_t)seed_next(seed);
  line->label = random_text(SAMPLE_STRING_MAX, seed);
}

static void fill_scalars(sample_t *s, seed_t *seed) {
  s->u8 = (uint8_t)seed_next(seed);
  s->u16 = (uint16_t)seed_next(seed);
  s->u32 = (uint32_t)seed_next(seed);
  s->u64 = seed_next(seed);
  s->i8 = (int8_t)((int)seed_below(seed, 201) - 100);
  s->i16 = (int16_t)seed_next(seed);
  s->i32 = (int32_t)seed_next(seed);
  s->i64 = (int64_t)seed_next(seed);
  s->flag = seed_below(seed, 2) != 0;
  s->ratio = (float)seed_below(seed, 1000) / 8.0f;
  s->angle = (double)seed_next(seed) / 3.0;
  s->only_if_flag = s->flag ? (uint32_t)seed_next(seed) : 0;
  s->rare = (uint8_t)seed_below(seed, 2);
  s->rare_value = s->rare != 0 ? (uint32_t)seed_next(seed) : 0;
}

static void fill_arrays(sample_t *s, seed_t *seed) {
  fill_bytes(s->lanes, sizeof(s->lanes), seed);
  s->used = (uint16_t)seed_below(seed, SAMPLE_FIFO + 1);
  fill_bytes(s->fifo, s->used, seed);
  fill_bytes(s->marks, s->used * sizeof(s->marks[0]), seed);
  for (size_t i = 0; i < seed_below(seed, sizeof(s->text)); i++) {
    s->text[i] = (char)('A' + seed_below(seed, 26));
  }
  s->text[sizeof(s->text) - 1] = '\0';
  s->name = random_text(SAMPLE_STRING_MAX, seed);
  s->owned_count = (uint32_t)seed_below(seed, SAMPLE_OWNED_MAX + 1);
  s->owned = s->owned_count == 0 ? NULL : take(s->owned_count * 2);
  fill_bytes(s->owned, s->owned_count * 2, seed);
}

static void fill_structs(sample_t *s, seed_t *seed) {
  fill_line(&s->line, seed);
  for (size_t i = 0; i < SAMPLE_LINES; i++) {
    fill_line(&s->lines[i], seed);
  }
  s->more_count = (uint8_t)seed_below(seed, 10);
  s->more =
      s->more_count == 0 ? NULL : take(s->more_count * sizeof(s->more[0]));
  for (size_t i = 0; i < s->more_count; i++) {
    fill_line(&s->more[i], seed);
  }
  if (seed_below(seed, 2) == 0) {
    s->maybe = take(sizeof(*s->maybe));
    fill_line(s->maybe, seed);
  }
}

static void fill_list(sample_t *s, seed_t *seed) {
  size_t n = (size_t)seed_below(seed, SAMPLE_LIST_MAX + 1);

  for (size_t i = 0; i < n; i++) {
    sample_node_t *node = take(sizeof(*node));

    node->key = (uint32_t)seed_next(seed);
    fill_line(&node->line, seed);
    add_node(s, node);
  }
}

void sample_fill(sample_t *s, seed_t *seed) {
  memset(s, 0, sizeof(*s));
  fill_scalars(s, seed);
  fill_arrays(s, seed);
  fill_structs(s, seed);
  fill_list(s, seed);
}

static bool same_text(const char *a, const char *b) {
  return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool same_line(const sample_line_t *a, const sample_line_t *b) {
  return a->level == b->level && a->delta == b->delta &&
         same_text(a->label, b->label);
}

static bool same_lines(const sample_line_t *a, const sample_line_t *b,
                       size_t n) {
  size_t same = 0;

  while (same < n && same_line(&a[same], &b[same])) {
    same++;
  }
  return same == n;
}

static bool same_scalars(const sample_t *a, const sample_t *b) {
  return a->u8 == b->u8 && a->u16 == b->u16 && a->u32 == b->u32 &&
         a->u64 == b->u64 && a->i8 == b->i8 && a->i16 == b->i16 &&
         a->i32 == b->i32 && a->i64 == b->i64 && a->flag == b->flag &&
         memcmp(&a->ratio, &b->ratio, sizeof(a->ratio)) == 0 &&
         memcmp(&a->angle, &b->angle, sizeof(a->angle)) == 0 &&
         (!a->flag || a->only_if_flag == b->only_if_flag) &&
         a->rare == b->rare && (a->rare == 0 || a->rare_value == b->rare_value);
}

static bool same_arrays(const sample_t *a, const sample_t *b) {
  return memcmp(a->lanes, b->lanes, sizeof(a->lanes)) == 0 &&
         a->used == b->used && memcmp(a->fifo, b->fifo, a->used) == 0 &&
         memcmp(a->marks, b->marks, a->used * sizeof(a->marks[0])) == 0 &&
         strcmp(a->text, b->text) == 0 && same_text(a->name, b->name) &&
         a->owned_count == b->owned_count &&
         (a->owned_count == 0 ||
          memcmp(a->owned, b->owned, a->owned_count * 2) == 0);
}

static bool same_nodes(const sample_node_t *a, const sample_node_t *b) {
  while (a != NULL && b != NULL && a->key == b->key &&
         same_line(&a->line, &b->line)) {
    a = a->next;
    b = b->next;
  }
  return a == NULL && b == NULL;
}

bool sample_equal(const sample_t *a, const sample_t *b) {
  return same_scalars(a, b) && same_arrays(a, b) &&
         same_lines(&a->line, &b->line, 1) &&
         same_lines(a->lines, b->lines, SAMPLE_LINES) &&
         a->more_count == b->more_count &&
         same_lines(a->more, b->more, a->more_count) &&
         (a->maybe == NULL) == (b->maybe == NULL) &&
         (a->maybe == NULL || same_line(a->maybe, b->maybe)) &&
         same_nodes(a->list, b->list);
}

void sample_done(sample_t *s) {
  sluice_fields_dispose(&sample_table, s);
}
