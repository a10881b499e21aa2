# One section never gets clean beside nine that do: when is each through? A line
# that is not there: none of the nine is, within 64 times their bytes.
set terminal svg size 1100,760 dynamic background rgb 'white' font 'sans,13'
set output out.'/fair.svg'
set datafile separator tab
set ylabel 'of the nine, through'
set yrange [0:9.5]
set ytics 1
set key bottom right
set grid
fair = out.'/fair.tsv'
of(order, way, column) = \
  strcol(1) eq order && strcol(2) eq way ? column : NaN
set multiplot layout 2,2 title \
  'One section that never gets clean, beside nine that do'
do for [order in 'first last'] {
  do for [what in 'bytes time'] {
    column = what eq 'bytes' ? 4 : 5
    set xlabel what eq 'bytes' ? "bytes sent by all, times the nine's" : 'ms'
    set xrange [0:*]
    set title 'the greedy one is visited '.order
    plot 0/0 notitle, \
      for [way in '7.2 2008 queue'] fair \
        using (of(order, way, column(column))):3 with linespoints lw 2 \
        title (way eq 'queue' ? way : 'rescan, '.way)
  }
}
unset multiplot
