# Latency of a host's requests while saves run one after the other, by how many
# requests are beyond it (as HdrHistogram draws it).
set terminal svg size 1100,620 dynamic background rgb 'white' font 'sans,13'
set output out.'/host.svg'
set datafile separator tab
set title 'A request every 20 us, in the loop that saves: latency'
set logscale xy
set xlabel 'one request in ...'
set ylabel 'us, from when it was due'
set format x '%.0f'
set key outside top right
set grid
curves = out.'/host.tsv'
names = system("cut -f1 ".curves." | uniq | tr ' ' '_'")
of(name) = sprintf("< awk -F '\\t' -v name='%s' '{ n = $1; gsub(/ /, \"_\", n) } n == name' %s", name, curves)
plot for [name in names] of(name) using 2:3 with lines lw 2 \
  title system("echo ".name." | tr _ ' '")
