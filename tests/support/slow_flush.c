/* LD_PRELOAD: each fsync and fdatasync takes $FLUSH_MS longer; with FLUSH_ONE_BY_ONE=1 they wait for one another,
   as on one disk that has a single queue.
   gcc -O2 -shared -fPIC -o slow_flush.so slow_flush.c -ldl -lpthread */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;
static struct timespec pause_time;
static int is_one_by_one;

__attribute__((constructor)) static void begin(void) {
  const char *told = getenv("FLUSH_MS");
  long microseconds = told ? (long)(1000 * atof(told)) : 0;
  pause_time.tv_sec = microseconds / 1000000;
  pause_time.tv_nsec = microseconds % 1000000 * 1000;
  is_one_by_one = getenv("FLUSH_ONE_BY_ONE") != NULL;
}

static int flushed(const char *name, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  if (is_one_by_one) pthread_mutex_lock(&queue);
  nanosleep(&pause_time, NULL);
  int result = real(fd);
  if (is_one_by_one) pthread_mutex_unlock(&queue);
  return result;
}

int fsync(int fd) { return flushed("fsync", fd); }
int fdatasync(int fd) { return flushed("fdatasync", fd); }
