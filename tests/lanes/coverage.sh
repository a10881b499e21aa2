#!/usr/bin/env bash
# coverage.sh - which lines and branches the tests reach. Read by `dev`, whose
# functions it calls.

# Lines and branches of all files of a folder, from gcovr's table.
coverage_by_folder() { # FILE.csv
  awk -F, 'NR > 1 {
      split($1, part, "/"); folder = part[1]
      if (part[1] == "engine" || part[1] == "handlers") {
        folder = part[1] "/" part[2]
      }
      lines[folder] += $2; reached[folder] += $3
      branches[folder] += $5; taken[folder] += $6
    }
    function percent(part, all) { return all > 0 ? 100 * part / all : 100 }
    END {
      for (folder in lines) {
        printf "%-20s lines %6d of %6d %6.1f %%   branches %6d of %6d %6.1f %%\n",
          folder, reached[folder], lines[folder],
          percent(reached[folder], lines[folder]), taken[folder],
          branches[folder], percent(taken[folder], branches[folder])
      }
    }' "$1" | sort
}

# Runs of lines that no test reaches, with the reason that coverage_gaps.txt has
# for them. gcovr tells lines in order; RS makes a record of each of its tags.
coverage_gaps() { # FILE.xml
  awk -v RS='<' -v rules=tests/coverage_gaps.txt '
    BEGIN {
      RS = "\n"
      while ((getline line < rules) > 0) {
        if (line !~ /^#/ && split(line, part, "\t") == 3) {
          in_path[++count] = part[1]; in_line[count] = part[2]
          reason[count] = part[3]
        }
      }
      RS = "<"
    }
    function read_source(  n, line) {
      RS = "\n"
      while ((getline line < path) > 0) {
        sub(/^ +/, "", line)
        text[++n] = line
      }
      close(path)
      RS = "<"
    }
    function tell(  i, k, why) {
      if (from == 0) { return }
      for (i = 1; i <= count && why == ""; i++) {
        for (k = from; k <= to && why == "" && path ~ "^" in_path[i]; k++) {
          if (text[k] ~ in_line[i]) { why = reason[i] }
        }
      }
      all++; named += why != ""
      printf "%s:%d-%d: %s\n    %s\n", path, from, to, text[from],
        why == "" ? "NO REASON IS GIVEN: a test is missing" : why
      from = 0
    }
    /^file path=/ { tell(); split($0, part, "\""); path = part[2]; read_source() }
    /^lineToCover/ && path ~ /^(queue|engine)\// {
      split($0, part, "\"")
      if ($0 !~ / covered="false"/) { tell(); next }
      if (from == 0) { from = part[2] + 0 }
      to = part[2] + 0
    }
    END {
      tell()
      printf "\n%d runs of lines are not reached, %d of them with a reason\n",
        all, named
    }' "$1"
}

run_coverage() {
  need "${BUILD_DEPS[@]}" "${TEST_DEPS[@]}" "${COVERAGE_DEPS[@]}"
  find build/coverage -name '*.gcda' -delete 2>/dev/null || true
  test_preset coverage
  # A branch that only an assertion has cannot be taken: it would be our bug.
  gcovr --root . --filter 'queue/' --filter 'engine/' --filter 'handlers/' \
    --filter 'tool/' --exclude-branches-by-pattern '.*assert\(.*' \
    --txt build/coverage/report.txt --csv build/coverage/report.csv \
    --sonarqube build/coverage/report.xml build/coverage
  cat build/coverage/report.txt
  say "lines of queue/ and engine/ that no test reaches"
  coverage_gaps build/coverage/report.xml
  say "by folder"
  coverage_by_folder build/coverage/report.csv
  finish_tests
}
