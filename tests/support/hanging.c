/* LD_PRELOAD: as long as the file $HANGING exists, calls on what lies below the path that it holds do not return;
   the first of them makes $HANGING.met.
   gcc -O2 -shared -fPIC -o hanging.so hanging.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

static int hangs(const char *path) {
  const char *flag = getenv("HANGING");
  char below[4096];
  if (!flag || !path) return 0;
  int fd = syscall(SYS_openat, AT_FDCWD, flag, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long length = syscall(SYS_read, fd, below, sizeof below - 1);
  syscall(SYS_close, fd);
  if (length <= 0) return 0;
  below[length] = 0;
  return !strncmp(path, below, length) && (!path[length] || path[length] == '/');
}

static void wait_while_it_hangs(const char *path) {
  struct timespec beat = {0, 50000000};
  char met[4096];
  if (!hangs(path)) return;
  snprintf(met, sizeof met, "%s.met", getenv("HANGING"));
  syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, met, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  while (hangs(path)) nanosleep(&beat, 0);
}

static void wait_at(int fd, const char *path) {
  char whole[8192], link[64];
  long length = 0;
  if (!getenv("HANGING") || !path) return;
  if (path[0] != '/' && fd != AT_FDCWD) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, 4096);
    if (length < 0) return;
    whole[length++] = '/';
  }
  strncpy(whole + length, path, sizeof whole - length - 1);
  whole[sizeof whole - 1] = 0;
  wait_while_it_hangs(whole);
}

static void wait_fd(int fd) {
  char link[64], path[4096];
  if (!getenv("HANGING")) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  wait_while_it_hangs(path);
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })
#define MODE mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE wait_at(AT_FDCWD, path); return REAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE wait_at(AT_FDCWD, path); return REAL(open64)(path, flags, mode); }
int openat(int fd, const char *path, int flags, ...) { MODE wait_at(fd, path); return REAL(openat)(fd, path, flags, mode); }
int openat64(int fd, const char *path, int flags, ...) { MODE wait_at(fd, path); return REAL(openat64)(fd, path, flags, mode); }
int stat(const char *path, struct stat *found) { wait_at(AT_FDCWD, path); return REAL(stat)(path, found); }
int stat64(const char *path, struct stat64 *found) { wait_at(AT_FDCWD, path); return REAL(stat64)(path, found); }
int lstat(const char *path, struct stat *found) { wait_at(AT_FDCWD, path); return REAL(lstat)(path, found); }
int lstat64(const char *path, struct stat64 *found) { wait_at(AT_FDCWD, path); return REAL(lstat64)(path, found); }
int fstatat(int fd, const char *path, struct stat *found, int flags) { wait_at(fd, path); return REAL(fstatat)(fd, path, found, flags); }
int fstatat64(int fd, const char *path, struct stat64 *found, int flags) { wait_at(fd, path); return REAL(fstatat64)(fd, path, found, flags); }
int statvfs(const char *path, struct statvfs *found) { wait_at(AT_FDCWD, path); return REAL(statvfs)(path, found); }
int statvfs64(const char *path, struct statvfs64 *found) { wait_at(AT_FDCWD, path); return REAL(statvfs64)(path, found); }
int access(const char *path, int mode) { wait_at(AT_FDCWD, path); return REAL(access)(path, mode); }
int faccessat(int fd, const char *path, int mode, int flags) { wait_at(fd, path); return REAL(faccessat)(fd, path, mode, flags); }
int rename(const char *old, const char *new) { wait_at(AT_FDCWD, old); wait_at(AT_FDCWD, new); return REAL(rename)(old, new); }
int renameat(int from, const char *old, int to, const char *new) { wait_at(from, old); wait_at(to, new); return REAL(renameat)(from, old, to, new); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) { wait_at(from, old); wait_at(to, new); return REAL(renameat2)(from, old, to, new, flags); }
int link(const char *old, const char *new) { wait_at(AT_FDCWD, old); wait_at(AT_FDCWD, new); return REAL(link)(old, new); }
int linkat(int from, const char *old, int to, const char *new, int flags) { wait_at(from, old); wait_at(to, new); return REAL(linkat)(from, old, to, new, flags); }
int unlink(const char *path) { wait_at(AT_FDCWD, path); return REAL(unlink)(path); }
int unlinkat(int fd, const char *path, int flags) { wait_at(fd, path); return REAL(unlinkat)(fd, path, flags); }
int mkdir(const char *path, mode_t mode) { wait_at(AT_FDCWD, path); return REAL(mkdir)(path, mode); }
int mkdirat(int fd, const char *path, mode_t mode) { wait_at(fd, path); return REAL(mkdirat)(fd, path, mode); }
int rmdir(const char *path) { wait_at(AT_FDCWD, path); return REAL(rmdir)(path); }
int fsync(int fd) { wait_fd(fd); return REAL(fsync)(fd); }
DIR *opendir(const char *path) { wait_at(AT_FDCWD, path); return REAL(opendir)(path); }
ssize_t write(int fd, const void *data, size_t length) { wait_fd(fd); return REAL(write)(fd, data, length); }
