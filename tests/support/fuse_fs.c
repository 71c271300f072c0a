/*
 * A pass-through filesystem that behaves as odd ones do, for tests: see fuse_fs.py.
 *
 *     fuse_fs BACKING MOUNTPOINT CONTROL
 *
 * It is mounted for as long as standard input is open.
 * Each operation looks at the files in CONTROL, so that a test may change them at any time:
 *
 *     fail-<operation>   the operation fails with the errno written in it
 *     hang-<operation>   the operation waits while the file exists; if it holds text, only for paths that hold it
 *     inodes             "path": numbers are made of the path; "time <ms>": they change that often
 *     mtime-seconds      times of files are multiples of that many seconds
 *     ignore-case        names are found whatever their case
 *     refuse-names       names that hold one of these characters or a control character, or that end in a dot or a
 *                        space, fail with EINVAL
 *
 * Operations: getattr opendir readdir open create read write truncate fsync fsyncdir flush link noreplace rename unlink
 * mkdir rmdir symlink readlink chmod chown utimens statfs.
 */

#define FUSE_USE_VERSION 312
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

static int backing, control;

/* Read a control file; return its length without a newline at the end, -1 if it is not there. */
static int flag(const char *name, char *text, size_t size)
{
	int fd = openat(control, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t got = read(fd, text, size - 1);
	close(fd);
	if (got < 0)
		got = 0;
	if (got && text[got - 1] == '\n')
		got--;
	text[got] = 0;
	return (int)got;
}

/* Wait while the operation is to hang; return the error it is to fail with, 0 if it may go on. */
static int begin(const char *operation, const char *path)
{
	char name[64], text[PATH_MAX];
	snprintf(name, sizeof name, "hang-%s", operation);
	for (int got; (got = flag(name, text, sizeof text)) >= 0;) {
		if (got && !(path && strstr(path, text)))
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
	}
	snprintf(name, sizeof name, "fail-%s", operation);
	return flag(name, text, sizeof text) > 0 ? -atoi(text) : 0;
}

static int refused(const char *path)
{
	char chars[128];
	if (flag("refuse-names", chars, sizeof chars) < 0)
		return 0;
	const char *name = strrchr(path, '/') + 1;
	size_t length = strlen(name);
	if (!length)
		return 0;
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < 32 || strchr(chars, *c))
			return 1;
	return name[length - 1] == '.' || name[length - 1] == ' ';
}

/* Put the path relative to the backing folder into `real`, each part in the case it has there. */
static const char *real_path(const char *path, char real[PATH_MAX])
{
	char text[8];
	while (*path == '/')
		path++;
	snprintf(real, PATH_MAX, "%s", *path ? path : ".");
	if (!*path || flag("ignore-case", text, sizeof text) < 0)
		return real;
	for (char *part = real; part;) {
		char *end = strchr(part, '/');
		if (end)
			*end = 0;
		struct stat found;
		if (fstatat(backing, real, &found, AT_SYMLINK_NOFOLLOW) < 0) {
			char above[PATH_MAX] = ".";
			if (part > real)
				snprintf(above, (size_t)(part - real), "%s", real);
			int fd = openat(backing, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			DIR *folder = fd < 0 ? NULL : fdopendir(fd);
			for (struct dirent *entry; folder && (entry = readdir(folder));)
				if (!strcasecmp(entry->d_name, part))
					memcpy(part, entry->d_name, strlen(part));
			if (folder)
				closedir(folder);
		}
		if (end)
			*end = '/';
		part = end ? end + 1 : NULL;
	}
	return real;
}

static ino_t number(ino_t own, const char *path)
{
	char text[64];
	long milliseconds;
	if (flag("inodes", text, sizeof text) <= 0)
		return own;
	if (sscanf(text, "time %ld", &milliseconds) == 1) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		return own + 1000003UL * (ino_t)((now.tv_sec * 1000 + now.tv_nsec / 1000000) / milliseconds);
	}
	uint64_t hash = 14695981039346656037u;
	for (const char *c = path ? path : ""; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	return hash >> 1;
}

/* An open file or folder with its path then: libfuse leaves paths out where there is a handle. */
struct handle {
	int fd;
	char path[];
};

static struct handle *handle(struct fuse_file_info *file)
{
	return (struct handle *)(uintptr_t)file->fh;
}

static int opened(int fd, const char *path, struct fuse_file_info *file)
{
	if (fd < 0)
		return -errno;
	struct handle *made = malloc(sizeof *made + strlen(path) + 1);
	made->fd = fd;
	strcpy(made->path, path);
	file->fh = (uintptr_t)made;
	return 0;
}

static int op_release(const char *path, struct fuse_file_info *file)
{
	(void)path;
	close(handle(file)->fd);
	free(handle(file));
	return 0;
}

static int done(int result)
{
	return result < 0 ? -errno : 0;
}

#define BEGIN(operation, path)                 \
	int fault = begin(operation, path);    \
	if (fault)                             \
		return fault;                  \
	if (path && refused(path))             \
		return -EINVAL;                \
	char real[PATH_MAX];                   \
	(void)real

static int op_getattr(const char *path, struct stat *found, struct fuse_file_info *file)
{
	if (file)
		path = handle(file)->path;
	BEGIN("getattr", path);
	int result = file ? fstat(handle(file)->fd, found)
			  : fstatat(backing, real_path(path, real), found, AT_SYMLINK_NOFOLLOW);
	if (result < 0)
		return -errno;
	char text[16];
	found->st_ino = number(found->st_ino, path);
	if (S_ISREG(found->st_mode) && flag("mtime-seconds", text, sizeof text) > 0) {
		found->st_mtim.tv_sec -= found->st_mtim.tv_sec % atoi(text);
		found->st_mtim.tv_nsec = 0;
	}
	return 0;
}

static int op_opendir(const char *path, struct fuse_file_info *file)
{
	BEGIN("opendir", path);
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	return opened(openat(backing, real_path(path, real), flags), path, file);
}

static int op_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		      struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
	(void)offset, (void)flags;
	path = handle(file)->path;
	BEGIN("readdir", path);
	int fd = openat(handle(file)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder)
		return -errno;
	for (struct dirent *entry; (entry = readdir(folder));) {
		struct stat found = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12};
		fill(buffer, entry->d_name, &found, 0, 0);
	}
	closedir(folder);
	return 0;
}

static int op_readlink(const char *path, char *text, size_t size)
{
	BEGIN("readlink", path);
	ssize_t got = readlinkat(backing, real_path(path, real), text, size - 1);
	if (got < 0)
		return -errno;
	text[got] = 0;
	return 0;
}

static int op_mkdir(const char *path, mode_t mode)
{
	BEGIN("mkdir", path);
	return done(mkdirat(backing, real_path(path, real), mode));
}

static int op_unlink(const char *path)
{
	BEGIN("unlink", path);
	return done(unlinkat(backing, real_path(path, real), 0));
}

static int op_rmdir(const char *path)
{
	BEGIN("rmdir", path);
	return done(unlinkat(backing, real_path(path, real), AT_REMOVEDIR));
}

static int op_symlink(const char *text, const char *path)
{
	BEGIN("symlink", path);
	return done(symlinkat(text, backing, real_path(path, real)));
}

static int op_rename(const char *path, const char *target, unsigned int flags)
{
	BEGIN("rename", path);
	if (refused(target))
		return -EINVAL;
	char other[PATH_MAX];
	real_path(path, real);
	real_path(target, other);
	if (flags & RENAME_NOREPLACE && (fault = begin("noreplace", path)))
		return fault;
	if (!strcasecmp(real, other) && strcmp(path + 1, target + 1))
		snprintf(other, sizeof other, "%s", target + 1); /* Another case of its own name. */
	return done(renameat2(backing, real, backing, other, flags));
}

static int op_link(const char *path, const char *target)
{
	BEGIN("link", path);
	if (refused(target))
		return -EINVAL;
	char other[PATH_MAX];
	return done(linkat(backing, real_path(path, real), backing, real_path(target, other), 0));
}

static int op_chmod(const char *path, mode_t mode, struct fuse_file_info *file)
{
	BEGIN("chmod", path);
	return done(file ? fchmod(handle(file)->fd, mode) : fchmodat(backing, real_path(path, real), mode, 0));
}

static int op_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *file)
{
	BEGIN("chown", path);
	return done(file ? fchown(handle(file)->fd, user, group)
			 : fchownat(backing, real_path(path, real), user, group, AT_SYMLINK_NOFOLLOW));
}

static int op_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *file)
{
	BEGIN("utimens", path);
	return done(file ? futimens(handle(file)->fd, times)
			 : utimensat(backing, real_path(path, real), times, AT_SYMLINK_NOFOLLOW));
}

static int op_truncate(const char *path, off_t size, struct fuse_file_info *file)
{
	BEGIN("truncate", path);
	if (file)
		return done(ftruncate(handle(file)->fd, size));
	int fd = openat(backing, real_path(path, real), O_WRONLY | O_CLOEXEC);
	int result = fd < 0 ? -errno : done(ftruncate(fd, size));
	if (fd >= 0)
		close(fd);
	return result;
}

static int op_open(const char *path, struct fuse_file_info *file)
{
	BEGIN("open", path);
	return opened(openat(backing, real_path(path, real), file->flags), path, file);
}

static int op_create(const char *path, mode_t mode, struct fuse_file_info *file)
{
	BEGIN("create", path);
	int flags = file->flags | O_CREAT;
	return opened(openat(backing, real_path(path, real), flags, mode), path, file);
}

static int op_read(const char *path, char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
	path = handle(file)->path;
	BEGIN("read", path);
	ssize_t got = pread(handle(file)->fd, data, size, offset);
	return got < 0 ? -errno : (int)got;
}

static int op_write(const char *path, const char *data, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	path = handle(file)->path;
	BEGIN("write", path);
	ssize_t put = pwrite(handle(file)->fd, data, size, offset);
	return put < 0 ? -errno : (int)put;
}

static int op_flush(const char *path, struct fuse_file_info *file)
{
	path = handle(file)->path;
	BEGIN("flush", path);
	return done(close(dup(handle(file)->fd)));
}

static int op_fsync(const char *path, int data_only, struct fuse_file_info *file)
{
	path = handle(file)->path;
	BEGIN("fsync", path);
	return done(data_only ? fdatasync(handle(file)->fd) : fsync(handle(file)->fd));
}

static int op_fsyncdir(const char *path, int data_only, struct fuse_file_info *file)
{
	(void)data_only;
	path = handle(file)->path;
	BEGIN("fsyncdir", path);
	return 0;
}

static int op_statfs(const char *path, struct statvfs *found)
{
	BEGIN("statfs", path);
	return done(fstatvfs(backing, found));
}

static void *op_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	dprintf(STDOUT_FILENO, "mounted\n");
	config->use_ino = 1;
	config->nullpath_ok = 1;
	config->hard_remove = 1;
	config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = op_init, .getattr = op_getattr, .readdir = op_readdir, .readlink = op_readlink,
	.mkdir = op_mkdir, .unlink = op_unlink, .rmdir = op_rmdir, .symlink = op_symlink,
	.rename = op_rename, .link = op_link, .chmod = op_chmod, .chown = op_chown,
	.utimens = op_utimens, .truncate = op_truncate, .open = op_open, .opendir = op_opendir, .releasedir = op_release, .create = op_create,
	.read = op_read, .write = op_write, .flush = op_flush, .release = op_release,
	.fsync = op_fsync, .fsyncdir = op_fsyncdir, .statfs = op_statfs,
};

/* Whoever started this program holds its standard input: without them nothing stays mounted. */
static void *watch_over(void *point)
{
	char byte;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	umount2(point, MNT_DETACH);
	_exit(0); /* Closes the connection: those who still hang hear ECONNABORTED. */
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	backing = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	control = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (backing < 0 || control < 0)
		return 1;
	umask(0);
	char *own[] = {argv[0], "-o", "allow_other,fsname=fuse_fs", NULL};
	struct fuse_args arguments = FUSE_ARGS_INIT(3, own);
	struct fuse *fuse = fuse_new(&arguments, &operations, sizeof operations, NULL);
	if (!fuse || fuse_mount(fuse, argv[2]))
		return 1;
	pthread_t watch;
	if (pthread_create(&watch, NULL, watch_over, argv[2]))
		return 1;
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	fuse_loop_cfg_set_max_threads(loop, 500); /* Many may hang at once. */
	return fuse_loop_mt(fuse, loop) < 0;
}
