// SPDX-License-Identifier: Apache-2.0
// Reading and writing files: memory-mapped input, atomic output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith {

/// The path that means standard input where a file is read, and standard output where one is written.
inline constexpr std::string_view kStdio = "-";

/// Whether a path is written to standard output.
bool is_stdout(std::string_view path);

/// A file mapped read-only into memory; shared by every tensor that lies in it. "-" is standard input; what comes
/// through a pipe is read once, and the same bytes are there for whoever opens that path again.
class MappedFile {
 public:
  /// Errors: io (cannot open, is a directory, is a terminal). An empty file maps to an empty span.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  MappedFile() = default;
  static Result<std::shared_ptr<const MappedFile>> read_pipe(const std::string& path, int fd);
  std::string path_;
  std::vector<std::byte> read_;  ///< what came through a pipe
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Large files are read in pieces of this size where they are read once from end to end.
inline constexpr size_t kPieceBytes = size_t{8} << 20;

/// Gives back the memory behind `bytes` where they lie in a MappedFile: they are read from the file again when they are
/// used again. Nothing happens to other memory. For whoever has read a large tensor once, and goes on to the next.
void forget_pages(std::span<const std::byte> bytes);

/// What becomes of a file that has the name when a new one is whole.
enum class Existing : bool { replace, keep };
/// Of results: only --force replaces what is there.
constexpr Existing replaced_if(bool force) { return force ? Existing::replace : Existing::keep; }

/// Writes `path` through a temporary file in the same folder: readers see the old file or the whole new one. A writer
/// that is destroyed without commit() leaves nothing behind; nor does a killed process, where the file system has files
/// without a name (O_TMPFILE: ext4, xfs, btrfs, tmpfs). Standard output, a device or a pipe (/dev/null) is written
/// itself: it must not be replaced by a file.
class AtomicFile {
 public:
  static Result<std::unique_ptr<AtomicFile>> create(const std::string& path, Existing existing = Existing::replace);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends; errors (full disk) are kept and returned by commit().
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  uint64_t size() const { return size_; }
  /// Writes what is left and gives the file its name. Errors: io; usage, where a file has got that name by now and is
  /// to be kept.
  Status commit();

 private:
  AtomicFile() = default;
  Status flush();
  bool take_name();
  bool take_free_name();
  std::string path_, temporary_;  ///< temporary_ is "" for a file that has no name yet, or its own
  Existing existing_ = Existing::replace;
  bool unnamed_ = false;
  std::vector<std::byte> buffer_;
  uint64_t size_ = 0;
  int fd_ = -1;
  int failed_errno_ = 0;
};

/// Whether an AtomicFile can be made at `path`, found out by making one and dropping it; of a device or a pipe the
/// permissions are looked at. For what is written at the end of long work. Errors: io.
Status check_writable(const std::string& path);

/// Writes the whole `text` atomically. Errors: as AtomicFile.
Status write_file(const std::string& path, std::string_view text, Existing existing = Existing::replace);
/// Reads a whole (small) file.
Result<std::string> read_file(const std::string& path);

}  // namespace edgesmith
