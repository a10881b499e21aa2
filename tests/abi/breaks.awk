# Reads growing.txt, then abidiff's report of leaf changes. Prints a line for
# each name: "broken NAME", or "grown NAME" for a struct that may grow and did
# nothing else. Whatever is not known to be harmless is a break.

function growing_name(pattern) {
  for (pattern in growing) {
    if (kind == "struct" && name ~ ("^(" pattern ")$")) {
      return 1
    }
  }
  return 0
}

function end_type() {
  if (name != "" && (is_harmed || (inserted && !growing_name()))) {
    print "broken " name
  } else if (inserted) {
    print "grown " name
  }
  name = ""
  inserted = is_harmed = 0
}

# 'struct sluice_box_s at box.h:10:1' changed:
function begin_type(words) {
  end_type()
  split(substr($0, 2), words, /[ ']/)
  kind = words[1]
  name = words[2]
  part = ""
  old_size = -1
}

# A member that fills a hole of the old struct does not make it longer, so its
# size does not tell whether the host knows it.
function see_inserted(offset) {
  offset = $0
  sub(/^.* at offset /, "", offset)
  sub(/ .*$/, "", offset)
  inserted++
  if (old_size < 0 || offset !~ /^[0-9]+$/ || offset + 0 < old_size) {
    is_harmed = 1
  }
}

# A member whose type is told of by itself, and which stays where it is.
function is_only_carried() {
  return /^    type '.*' of '.*' changed:$/ ||
    /^ *(in pointed to|in unqualified underlying|underlying) type .*changed, as reported earlier$/ ||
    /^ *(in pointed to|in unqualified underlying|underlying) type .*:$/
}

FNR == NR {
  if ($0 != "" && $0 !~ /^#/) {
    growing[$0] = 1
  }
  next
}
/^'/ { begin_type(); next }
/^  \[[CD]\] / {
  end_type()
  sub(/^  \[[CD]\] /, "")
  sub(/\(.*$/, "")
  sub(/'.*$/, "", $NF)
  sub(/@.*$/, "", $NF)
  print "broken " $NF
  next
}
/^[^ ]/ { end_type(); next }
name == "" || /^$/ { next }
/^  type size hasn't changed/ { next }
/^  type size changed from/ {
  old_size = $5 + 0
  if ($7 + 0 <= old_size) {
    is_harmed = 1
  }
  grows = 1
  next
}
/^  [0-9]+ data member insertions?:/ { part = "inserted"; next }
/^  there are data member changes:/ { part = "changed"; next }
/^  [^ ]/ { part = ""; is_harmed = 1; next }
part == "inserted" { see_inserted(); next }
part == "changed" && is_only_carried() { next }
{ is_harmed = 1 }
END { end_type() }
