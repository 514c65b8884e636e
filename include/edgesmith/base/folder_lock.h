// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "edgesmith/base/result.h"

namespace edgesmith {

/// Keeps other processes that ask for it from writing into a folder, until it is destroyed or the process ends, however
/// it ends: a lock of the kernel (flock), which leaves no file behind.
class FolderLock {
 public:
  /// Errors: io, where another process has it, or the folder cannot be opened. Where the file system has no locks,
  /// everybody gets it.
  static Result<FolderLock> take(const std::string& folder);
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace edgesmith
