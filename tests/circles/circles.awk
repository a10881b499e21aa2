# circles.awk - reads what `nm -P -g` says of objects; prints the shortest circle
# of files that need each other, and fails.
#
# A circle may be listed in `recursive`: a line with its files, and under it,
# indented, the reason. Arrows between files of one such line are not looked at.
# A line whose files are on no circle is an error, so that the list says what is.

# A source's object is BUILD/FOLDER/CMakeFiles/TARGET.dir/SOURCE.c.o
/:$/ {
  file = substr($0, length(build) + 1)
  sub(/CMakeFiles\/[^\/]*\.dir\//, "", file)
  sub(/\.o:$/, "", file)
  gsub(/\/\.\//, "/", file)
  files[++count] = file
  next
}
# Of a definition the type is a capital; of what is wanted, U or w.
$2 == "U" || $2 == "w" { wanted[file] = wanted[file] " " $1; next }
$2 ~ /^[A-Z]$/ { owner[$1] = file }

END {
  if (count == 0) {
    print "no objects"
    exit 1
  }
  draw_arrows()
  read_list(recursive)
  failed = check_listed()
  if (find_circle()) {
    failed = 1
  } else if (!failed) {
    printf "%d files, no circle that is not listed\n", count
  }
  exit failed
}

# ---- what needs what ----

function draw_arrows(  i, k, n, to, name) {
  for (i = 1; i <= count; i++) {
    n = split(wanted[files[i]], name, " ")
    for (k = 1; k <= n; k++) {
      to = owner[name[k]]
      if (to == "" || to == files[i]) { continue }
      if (!((files[i], to) in symbol)) {
        needs[files[i]] = needs[files[i]] " " to
        symbol[files[i], to] = name[k]
      }
    }
  }
}

# ---- what is listed ----

function read_list(path,  line, n, i, part) {
  while ((getline line < path) > 0) {
    if (line ~ /^#/ || line ~ /^$/) { continue }
    if (line ~ /^ /) {
      has_reason[sets] = 1
      continue
    }
    set[++sets] = line
    n = split(line, part, " ")
    for (i = 1; i <= n; i++) { member[sets, part[i]] = 1 }
  }
  close(path)
}

function is_listed(from, to,  s) {
  for (s = 1; s <= sets; s++) {
    if ((s, from) in member && (s, to) in member) { return 1 }
  }
  return 0
}

# Is each file that is listed on a circle of its line?
function check_listed(  s, n, i, part, bad) {
  for (s = 1; s <= sets; s++) {
    if (!has_reason[s]) {
      printf "listed without a reason: %s\n", set[s]
      bad = 1
    }
    n = split(set[s], part, " ")
    for (i = 1; i <= n; i++) {
      if (way_back(part[i], s) != "") { continue }
      printf "%s is on no circle of its line any more: strike it out of recursive.txt\n",
        part[i]
      bad = 1
    }
  }
  return bad + 0
}

# ---- circles ----

# The shortest way from `start` back to it, as a list of files; "" if none. In
# set `s` alone, or, for 0, by arrows that are in no set.
function way_back(start, s,  line, head, tail, at, n, i, to, came, name) {
  line[tail = 1] = start
  for (head = 1; head <= tail; head++) {
    at = line[head]
    n = split(needs[at], name, " ")
    for (i = 1; i <= n; i++) {
      to = name[i]
      if (s > 0 ? !((s, to) in member) : is_listed(at, to)) { continue }
      if (to == start) { return trace(came, at, start) }
      if (!(to in came)) {
        came[to] = at
        line[++tail] = to
      }
    }
  }
  return ""
}

function trace(came, at, start,  way) {
  for (way = start; at != start; at = came[at]) { way = at " " way }
  return start " " way
}

function find_circle(  i, n, way, part, best, shortest) {
  for (i = 1; i <= count; i++) {
    way = way_back(files[i], 0)
    n = split(way, part, " ")
    if (n > 0 && (shortest == 0 || n < shortest)) {
      shortest = n
      best = way
    }
  }
  if (shortest == 0) { return 0 }
  printf "%d files need each other in a circle:\n", shortest - 1
  split(best, part, " ")
  for (i = 1; i < shortest; i++) {
    printf "  %s\n    needs %s of %s\n", part[i], symbol[part[i], part[i + 1]],
      part[i + 1]
  }
  print "(turn one of these arrows round, or take what both need into a file of its own;"
  print "recursive descent that must be one stands in tests/circles/recursive.txt)"
  return 1
}
