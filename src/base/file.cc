// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

namespace edgesmith {
namespace {

/// Bytes of one write(): of 64 kB to 8 MB the fastest, five times as fast as 8 MB (ext4, 1 GB from a mapped file).
constexpr size_t kWriteBytes = size_t{256} << 10;

/// Smaller files are read, which costs less than mapping and unmapping them.
constexpr off_t kSmallFile = off_t{64} << 10;

Error io_error_from_errno(const std::string& path, const char* what, int code) {
  const char* hint = code == ENOENT   ? "check the path"
                     : code == EACCES ? "check the permissions"
                     : code == ENOSPC ? "free some disk space"
                                      : "";
  return io_error(path + ": " + what + ": " + std::strerror(code), hint);
}

/// Maps the pages behind `bytes` at once. A write() from pages that are not mapped yet stops at each of them, and Linux
/// clears what it had set apart for the rest: writing then takes three times as long.
void fetch_pages(std::span<const std::byte> bytes) {
#ifdef MADV_POPULATE_READ
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);  // as well as it can
#else
  (void)bytes;
#endif
}

/// Fills `bytes` from the beginning of a file; how many there were, or -1 with errno.
ssize_t read_whole(int fd, std::span<std::byte> bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t n = ::pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return n;
    if (n == 0) break;  // somebody cut it short meanwhile
    at += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(at);
}

/// A file of `folder` that has no name, so that nothing is left of it when the process is killed. -1: the file system
/// has none, or such a file could not be named later (without /proc).
int open_unnamed(const std::filesystem::path& folder) {
#ifdef O_TMPFILE
  if (::access("/proc/self/fd", X_OK) == 0) {
    return ::open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  }
#endif
  (void)folder;
  return -1;
}

/// Names an open file that has no name yet. False with errno (EEXIST).
bool link_open(int fd, const std::string& name) {
  const std::string open = "/proc/self/fd/" + std::to_string(fd);
  return ::linkat(AT_FDCWD, open.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

/// Renames unless there is a file `to` already, as well as the file system can. False with errno (EEXIST).
bool rename_to_free(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
#endif
  if (::link(from.c_str(), to.c_str()) == 0) return ::unlink(from.c_str()) == 0;  // NFS
  if (errno == EEXIST) return false;
  struct stat info {};
  if (::lstat(to.c_str(), &info) == 0) {
    errno = EEXIST;
    return false;
  }
  return ::rename(from.c_str(), to.c_str()) == 0;
}

/// Neither a regular file nor a folder.
bool is_device(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/// Where files are mapped: begin and end of each.
class Mappings {
 public:
  void add(const std::byte* begin, size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_[begin] = begin + size;
  }
  void remove(const std::byte* begin) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_.erase(begin);
  }
  /// Calls madvise() with the lock held, so that the mapping stays.
  void forget(std::span<const std::byte> bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto after = ends_.upper_bound(bytes.data());
    if (after == ends_.begin()) return;
    if (std::prev(after)->second < bytes.data() + bytes.size()) return;
    // Whole pages only: their neighbours may be in use.
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
    const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
    if (begin < end) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }

 private:
  std::mutex mutex_;
  std::map<const std::byte*, const std::byte*> ends_;
};

/// Never destroyed: tensors may outlive every other static object.
Mappings& mappings() {
  static Mappings* const all = new Mappings;
  return *all;
}

}  // namespace

void forget_pages(std::span<const std::byte> bytes) {
  if (!bytes.empty()) mappings().forget(bytes);
}

bool is_stdout(std::string_view path) { return path == kStdio || path == "/dev/stdout" || path == "/dev/fd/1"; }

Result<std::shared_ptr<const MappedFile>> MappedFile::read_pipe(const std::string& path, int fd) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const MappedFile>>* const read =
      new std::map<std::string, std::shared_ptr<const MappedFile>>;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto known = read->find(path); known != read->end()) return known->second;
  if (::isatty(fd) == 1) return io_error(path + ": is a terminal", "give a file, or pipe one into it");
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  for (size_t size = 0;;) {
    file->read_.resize(std::max(size + kWriteBytes, 2 * size));
    const ssize_t n = ::read(fd, file->read_.data() + size, file->read_.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error_from_errno(path, "cannot read", errno);
    size += static_cast<size_t>(n);
    if (n > 0) continue;
    file->read_.resize(size);
    break;
  }
  file->data_ = file->read_.data();
  file->size_ = file->read_.size();
  return (*read)[path] = std::move(file);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  const int fd = path == kStdio ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error_from_errno(path, "cannot open", errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
    ::close(fd);
    return io_error(path + ": is a directory, not a file", "name a file");
  }
  if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || (!S_ISREG(info.st_mode) && ::isatty(fd) == 1)) {
    auto file = read_pipe(path, fd);
    ::close(fd);
    return file;
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = static_cast<size_t>(info.st_size);
  if (S_ISREG(info.st_mode) && info.st_size < kSmallFile) {
    file->read_.resize(file->size_);
    const ssize_t n = read_whole(fd, file->read_);
    const int code = errno;
    ::close(fd);
    if (n < 0) return io_error_from_errno(path, "cannot read", code);
    file->read_.resize(static_cast<size_t>(n));
    file->data_ = file->read_.data();
    file->size_ = file->read_.size();
    return std::shared_ptr<const MappedFile>(file);
  }
  if (file->size_ > 0) {
    void* data = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      const int code = errno;
      ::close(fd);
      file->size_ = 0;
      return io_error_from_errno(path, "cannot map into memory", code);
    }
    file->data_ = static_cast<const std::byte*>(data);
    mappings().add(file->data_, file->size_);
  }
  ::close(fd);
  return std::shared_ptr<const MappedFile>(file);
}

MappedFile::~MappedFile() {
  if (data_ == nullptr || !read_.empty()) return;
  mappings().remove(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::create(const std::string& path, Existing existing) {
  std::unique_ptr<AtomicFile> file(new AtomicFile);
  file->path_ = path;
  file->existing_ = existing;
  if (is_stdout(path)) {  // by its number: a file that it leads to is written on, not replaced
    file->fd_ = ::dup(STDOUT_FILENO);
    if (file->fd_ < 0) return io_error_from_errno(path, "cannot write", errno);
    return file;
  }
  if (is_device(path)) {
    file->fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file->fd_ < 0) return io_error_from_errno(path, "cannot open", errno);
    return file;
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  file->fd_ = open_unnamed(folder);
  file->unnamed_ = file->fd_ >= 0;
  if (file->unnamed_) return file;
  // A short name of its own: the target's name may already be as long as the file system allows.
  file->temporary_ = (folder / ".edgesmith-XXXXXX").string();
  file->fd_ = ::mkstemp(file->temporary_.data());
  if (file->fd_ < 0) {
    const int code = errno;
    file->temporary_.clear();
    return io_error_from_errno(path, "cannot create", code);
  }
  return file;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kWriteBytes) (void)flush().ok();
  if (bytes.size() <= kWriteBytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return;
  }
  while (!bytes.empty() && failed_errno_ == 0) {
    // Pieces end where pages of the file do.
    const size_t to_boundary = kWriteBytes - (size_ - bytes.size()) % kWriteBytes;
    const std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), to_boundary));
    fetch_pages(piece);
    const ssize_t n = ::write(fd_, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      failed_errno_ = errno;
    } else {
      forget_pages(bytes.first(static_cast<size_t>(n)));
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span<const char>(text))); }

Status AtomicFile::flush() {
  std::span<const std::byte> rest(buffer_);
  while (!rest.empty() && failed_errno_ == 0) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      failed_errno_ = errno;
    else
      rest = rest.subspan(static_cast<size_t>(n));
  }
  buffer_.clear();
  if (failed_errno_ != 0) return io_error_from_errno(path_, "cannot write", failed_errno_);
  return {};
}

// Names that are taken are passed over.
bool AtomicFile::take_free_name() {
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  for (int i = 0;; ++i) {
    const std::string name = ".edgesmith-" + std::to_string(::getpid()) + "-" + std::to_string(i);
    temporary_ = (folder / name).string();
    if (link_open(fd_, temporary_)) return true;
    if (errno == EEXIST) continue;
    temporary_.clear();
    return false;
  }
}

// A name is given to a file that has none without replacing another's. So one that replaces has a name of its own
// first. False with errno.
bool AtomicFile::take_name() {
  if (unnamed_) {
    if (link_open(fd_, path_)) return true;
    if (errno != EEXIST || existing_ == Existing::keep) return false;
    if (!take_free_name()) return false;
  }
  const bool renamed = existing_ == Existing::keep ? rename_to_free(temporary_, path_)
                                                   : ::rename(temporary_.c_str(), path_.c_str()) == 0;
  if (renamed) temporary_.clear();
  return renamed;
}

Status AtomicFile::commit() {
  EDGESMITH_TRY(flush());
  if (!temporary_.empty()) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd_, 0666 & ~mask) != 0) return io_error_from_errno(path_, "cannot write", errno);
  }
  // What a disk far away has against the file shows when it is closed; one without a name must stay open until it has.
  const int own = std::exchange(fd_, unnamed_ ? ::dup(fd_) : -1);
  if (::close(own) != 0 || (unnamed_ && fd_ < 0)) return io_error_from_errno(path_, "cannot write", errno);
  if ((!unnamed_ && temporary_.empty()) || take_name()) return {};
  if (errno != EEXIST || existing_ == Existing::replace) return io_error_from_errno(path_, "cannot write", errno);
  return usage_error(path_ + ": exists already: it came while this one was made",
                     "name another file, or add --force to overwrite it");
}

Status check_writable(const std::string& path) {
  if (is_stdout(path)) return {};
  if (is_device(path)) {  // opening a pipe would wait for its reader
    if (::access(path.c_str(), W_OK) == 0) return {};
    return io_error_from_errno(path, "cannot write", errno);
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 && errno == ENAMETOOLONG) {
    return io_error_from_errno(path, "cannot create", errno);
  }
  auto file = AtomicFile::create(path);
  return file ? Status() : Status(file.error());
}

Status write_file(const std::string& path, std::string_view text, Existing existing) {
  auto file = AtomicFile::create(path, existing);
  if (!file) return file.error();
  (*file)->write(text);
  return (*file)->commit();
}

Result<std::string> read_file(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const auto bytes = (*file)->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace edgesmith
