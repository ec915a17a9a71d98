/* For tests on a machine whose kernel has neither /dev/udmabuf nor /dev/dma_heap: libcamera's buffers are then plain
 * memory files. Preloaded into the process; nothing of libcamera or picamera2 is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

static int gives_buffers(const char *path)
{
	return path != NULL && (strcmp(path, "/dev/udmabuf") == 0 || strncmp(path, "/dev/dma_heap/", 14) == 0);
}

static int stand_in(void)
{
	return memfd_create("stand-in", MFD_CLOEXEC);
}

static mode_t mode_of(int flags, va_list more)
{
	return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = mode_of(flags, more);
	va_end(more);
	if (gives_buffers(path))
		return stand_in();
	int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	return next(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = mode_of(flags, more);
	va_end(more);
	if (gives_buffers(path))
		return stand_in();
	int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	return next(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = mode_of(flags, more);
	va_end(more);
	if (gives_buffers(path))
		return stand_in();
	int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, "openat");
	return next(folder, path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list more;
	va_start(more, request);
	void *argument = va_arg(more, void *);
	va_end(more);
	switch ((unsigned int)request) {
	case (unsigned int)UDMABUF_CREATE:
		return fcntl(((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 0);
	case (unsigned int)DMA_HEAP_IOCTL_ALLOC: {
		struct dma_heap_allocation_data *wanted = argument;
		int memory = memfd_create("stand-in for a heap", MFD_CLOEXEC);
		if (memory < 0 || ftruncate(memory, wanted->len) != 0)
			return -1;
		wanted->fd = memory;
		return 0;
	}
	case (unsigned int)DMA_BUF_IOCTL_SYNC:
	case (unsigned int)DMA_BUF_SET_NAME_A:
	case (unsigned int)DMA_BUF_SET_NAME_B:
		return 0;
	}
	int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	return next(fd, request, argument);
}
