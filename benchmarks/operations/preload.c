/* Preloaded into a service: a wall clock that jumps, and a disk that answers late.

DRILL_SAYS names a file of three int64: nanoseconds by which the wall clock is wrong; of
each call that opens, looks for or reads a file below DRILL_FOLDER, nanoseconds; and those
of each byte that is read. The monotonic clock is left alone, as by the kernel. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WALL, CALL, BYTE, NUMBERS };
static const int64_t SECOND = 1000000000, nothing[NUMBERS];
static const volatile int64_t *says = nothing;
static const char *folder = "/nowhere";

#define NEXT(name) \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("DRILL_SAYS");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *found = mmap(0, NUMBERS * sizeof *says, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (getenv("DRILL_FOLDER")) folder = getenv("DRILL_FOLDER");
  if (found != MAP_FAILED) says = found;
}

/* The wall clock. */

static int64_t count(const struct timespec *time) {
  return time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec *shift(struct timespec *time, int64_t by) {
  int64_t ns = count(time) + by;
  time->tv_sec = ns / SECOND;
  time->tv_nsec = ns % SECOND;
  return time;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  NEXT(clock_gettime);
  int failed = next(clock, time);
  if (!failed && says[WALL] && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    shift(time, says[WALL]);
  return failed;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into) *into = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *into, void *zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  into->tv_sec = now.tv_sec;
  into->tv_usec = now.tv_nsec / 1000;
  return 0;
}

/* A time of the wall clock that the kernel is told; others, as of a condition that waits
by the monotonic clock, are left as they are. */
static struct timespec for_kernel(struct timespec until) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t off = says[WALL], away = count(&until) - count(&now);
  if (llabs(away) < llabs(away + off)) shift(&until, -off);
  return until;
}

int sem_timedwait(sem_t *sem, const struct timespec *until) {
  NEXT(sem_timedwait);
  struct timespec real = for_kernel(*until);
  return next(sem, &real);
}

int pthread_cond_timedwait(
    pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
  static __typeof__(&pthread_cond_timedwait) next;
  if (!next)
    next = (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  struct timespec real = for_kernel(*until);
  return next(cond, mutex, &real);
}

/* The disk. */

static void wait_for(int64_t ns) {
  int before = errno;
  struct timespec time = {ns / SECOND, ns % SECOND};
  nanosleep(&time, 0);
  errno = before;
}

static int is_below(const char *path) {
  size_t length = strlen(folder);
  return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static void call(const char *path) {
  if (says[CALL] && path && is_below(path)) wait_for(says[CALL]);
}

static ssize_t have_read(int fd, ssize_t bytes) {
  char link[64], path[4096] = "";
  if (!says[CALL]) return bytes;
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = before;
  if (length > 0 && is_below(path))
    wait_for(says[CALL] + (bytes > 0 ? bytes * says[BYTE] : 0));
  return bytes;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = va_arg(more, mode_t); \
    va_end(more); \
    call(path); \
    return next(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define LOOK(name, type) \
  int name(const char *path, struct type *into) { \
    NEXT(name); \
    call(path); \
    return next(path, into); \
  }
LOOK(stat, stat)
LOOK(lstat, stat)
LOOK(stat64, stat64)
LOOK(lstat64, stat64)

DIR *opendir(const char *path) {
  NEXT(opendir);
  call(path);
  return next(path);
}

FILE *fopen(const char *path, const char *mode) {
  NEXT(fopen);
  call(path);
  return next(path, mode);
}

ssize_t read(int fd, void *into, size_t most) {
  NEXT(read);
  return have_read(fd, next(fd, into, most));
}

#define PREAD(name, offset) \
  ssize_t name(int fd, void *into, size_t most, offset from) { \
    NEXT(name); \
    return have_read(fd, next(fd, into, most, from)); \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)
