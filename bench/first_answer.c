/* first_answer.c - how soon a server answers, from when it is executed.
 *
 *   first_answer [--small] PORT KEY PROGRAM [OPTION...]
 *
 * Prints its process id and the milliseconds until the first answer to GET KEY
 * that is a value; the server goes on. --small: without huge pages. What a
 * server says while it is loading does not count. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GIVE_UP_S = 200, RETRY_US = 200 };

static double now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int is_answered(int port, const char *key) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char text[256];
  int n = snprintf(text, sizeof(text), "GET %s\r\n", key);
  ssize_t got = -1;

  if (connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0 &&
      send(fd, text, (size_t)n, MSG_NOSIGNAL) == n) {
    got = recv(fd, text, sizeof(text), 0);
  }
  (void)close(fd);
  return got > 3 && text[0] == '$' && text[1] != '-';
}

static pid_t begin(char **argv, int is_small) {
  pid_t pid = fork();

  if (pid == 0) {
    int out = open("/dev/null", O_WRONLY);

    if (is_small) {
      (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
    (void)dup2(out, 1);
    execv(argv[0], argv);
    _exit(127);
  }
  return pid;
}

int main(int argc, char **argv) {
  int is_small = argc > 1 && strcmp(argv[1], "--small") == 0;
  double begun = now();
  pid_t pid;

  argc -= is_small;
  argv += is_small;
  if (argc < 4) {
    fprintf(stderr, "usage: first_answer [--small] PORT KEY PROGRAM ...\n");
    return 2;
  }
  pid = begin(argv + 3, is_small);
  while (!is_answered(atoi(argv[1]), argv[2])) {
    if (now() - begun > (double)GIVE_UP_S || waitpid(pid, NULL, WNOHANG) != 0) {
      fprintf(stderr, "first_answer: %s does not answer\n", argv[3]);
      return 1;
    }
    (void)usleep(RETRY_US);
  }
  printf("%d %.1f\n", (int)pid, (now() - begun) * 1000);
  return 0;
}
