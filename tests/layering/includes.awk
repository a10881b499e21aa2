# includes.awk - reads includes.txt, then lines `FILE:LINE:#include ...`; prints
# those that the rules forbid, and fails.

FNR == NR {
  if ($1 == "never" || $1 == "private") { rule[++rules] = $0 }
  next
}

{
  file = substr($0, 1, index($0, ":") - 1)
  match($0, /["<][^">]*[">]/)
  header = substr($0, RSTART, RLENGTH)
  gsub(/"/, "", header)
  for (i = 1; i <= rules; i++) {
    if (forbids(rule[i])) { breach(rule[i]) }
  }
}

END { exit failed }

function is_under(name, where) {
  return where ~ /\/$/ ? index(name, where) == 1 : name == where
}

function forbids(line,  word, n, k, who, what, is_there) {
  n = split(line, word, " ")
  who = word[1] == "private" ? header : file
  what = word[1] == "private" ? file : header
  if (!is_under(who, word[2])) { return 0 }
  for (k = 3; k <= n; k++) { is_there += is_under(what, word[k]) }
  return word[1] == "private" ? !is_there : is_there > 0
}

function breach(line) {
  printf "%s includes %s, against: %s\n", file, header, line
  failed = 1
}
