# Nanoseconds a useful call, over N, one plot for each share of K. `one`,
# `percent`, `ten` and `all` are sentences that bench/plot made of the figures.
set terminal svg size 1100,800 dynamic background rgb 'white' font 'sans,13'
set output out.'/queue.svg'
set datafile separator tab
set logscale xy
set format x '%.0f'
set format y '%.0f'
set xlabel 'N, handlers registered'
set ylabel 'ns a useful call'
set key top left samplen 2 font ',11'
set grid
set xrange [8:130000]
set yrange [1:*]
turns = out.'/turns.tsv'
share(which) = sprintf("< awk -F '\\t' '$3 == \"%s\"' %s", which, turns)
set multiplot layout 2,2 title \
  'Finding who has work: a queue, and walks over all (O(K) and O(N))'
do for [which in '1 "1 %" "10 %" all'] {
  said = which eq '1' ? one : which eq '1 %' ? percent : \
         which eq '10 %' ? ten : all
  set title 'K = '.(which eq 'all' ? 'N: all have work' : which)."\n".said
  plot share(which) using 1:4 with linespoints lw 2 pt 5 \
         title 'rescan, as QEMU 7.2', \
       share(which) using 1:5 with linespoints lw 2 pt 9 \
         title 'rescan, as in 2008', \
       share(which) using 1:7 with linespoints lw 3 pt 7 \
         title 'queue', \
       share(which) using 1:6 with lines dt 2 lc rgb 'black' \
         title 'plain calls: the limit'
}
unset multiplot
