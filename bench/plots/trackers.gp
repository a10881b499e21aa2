# ns of a store to a page, for each tracker and each state of the page.
set terminal svg size 1100,560 dynamic background rgb 'white' font 'sans,13'
set output out.'/trackers.svg'
set datafile separator tab
set title 'A store to memory that is being saved (lowest to highest)'
set logscale y
set ylabel 'ns a store'
set style fill solid 0.8
set boxwidth 0.7
set xtics rotate by -40
set grid y
set yrange [1:*]
set key off
table = "< awk -F '\\t' -v OFS='\\t' '{ for (i = 2; i < NF; i += 8) print $1 \": \" $i, $(i + 1), $(i + 2), $(i + 3) }' ".out.'/trackers.tsv'
plot table using 0:2:xtic(1) with boxes, \
  table using 0:2:3:4 with yerrorbars lc rgb 'black' pt 0
