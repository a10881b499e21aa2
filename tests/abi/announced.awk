# The names in the ABI: lines of CHANGELOG.md's newest section, a line each; the
# lines may be items of a list and go on in lines that are set in.

function take_names(line, i, count, words) {
  count = split(line, words, /[^A-Za-z0-9_]+/)
  for (i = 1; i <= count; i++) {
    print words[i]
  }
}

/^## / { sections++ }
sections != 1 { next }
/^(- )?ABI:/ { is_inside = 1; take_names($0); next }
/^ +[^ ]/ && is_inside { take_names($0); next }
{ is_inside = 0 }
