# Ratios of rates, a group of bars for each case, with the lowest and highest.
# Set by bench/plot: `name`; `ways`, the variants' names; `heading`; `first`, the
# variant that is 1. In name.ratios.tsv each variant has three columns.
set terminal svg size 1200,640 dynamic background rgb 'white' font 'sans,13'
set output out.'/'.name.'.svg'
set title heading
set datafile separator tab
set datafile missing '?'
set style data histograms
set style histogram errorbars gap 2 lw 1
set style fill solid 0.8
set yrange [0:*]
set ylabel 'rate, times that of '.first.', pair by pair'
set xtics rotate by -30
set grid y
set key outside top right
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead dt 2 lw 2 front
plot for [i = 1:words(ways)] out.'/'.name.'.ratios.tsv' \
  using (column(3 * i - 1)):(column(3 * i)):(column(3 * i + 1)):xtic(1) \
  title word(ways, i)
