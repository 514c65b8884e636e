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

Result<std::unique_ptr<AtomicFile>> AtomicFile::create(const std::string& path) {
  std::unique_ptr<AtomicFile> file(new AtomicFile);
  file->path_ = path;
  if (is_stdout(path)) {  // by its number: a file that it leads to is written on, not replaced
    file->fd_ = ::dup(STDOUT_FILENO);
    if (file->fd_ < 0) return io_error_from_errno(path, "cannot write", errno);
    return file;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
    file->fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file->fd_ < 0) return io_error_from_errno(path, "cannot open", errno);
    return file;
  }
  // A short name of its own: the target's name may already be as long as the file system allows.
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
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

Status AtomicFile::commit() {
  EDGESMITH_TRY(flush());
  if (!temporary_.empty()) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd_, 0666 & ~mask) != 0) return io_error_from_errno(path_, "cannot write", errno);
  }
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) return io_error_from_errno(path_, "cannot write", errno);
  if (temporary_.empty()) return {};
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return io_error_from_errno(path_, "cannot write", errno);
  temporary_.clear();
  return {};
}

Status write_file(const std::string& path, std::string_view text) {
  auto file = AtomicFile::create(path);
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
