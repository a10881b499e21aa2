# abidw writes the types that are names alone now here, now there: at the end of
# their unit, sorted, they make no difference between two folders.

/^ *<class-decl .*is-declaration-only='yes'.*\/>$/ {
  for (at = count++; at > 0 && names[at - 1] > $0; at--) {
    names[at] = names[at - 1]
  }
  names[at] = $0
  next
}
/^ *<\/abi-instr>/ {
  for (at = 0; at < count; at++) {
    print names[at]
  }
  count = 0
}
{ print }
