// SPDX-License-Identifier: Apache-2.0
// The folder of results that need not be computed again (docs/cache.md). An entry is a file named by the hash of
// everything that its content depends on; it is written whole and renamed, so any number of processes may share a
// folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "edgesmith/base/result.h"

namespace edgesmith::refine {

class StepCache {
 public:
  /// Most bytes of a cache whose owner says nothing else.
  static constexpr int64_t kDefaultLimit = int64_t{2} << 30;

  /// `folder` need not be there; entries go to `folder`/steps. When they take more than `limit` bytes, those used least
  /// recently go.
  explicit StepCache(std::string folder, int64_t limit = kDefaultLimit);

  /// $EDGESMITH_CACHE, $XDG_CACHE_HOME/edgesmith or ~/.cache/edgesmith; "" where there is none, or $EDGESMITH_CACHE is
  /// "off".
  static std::string default_folder();
  /// $EDGESMITH_CACHE_LIMIT, or kDefaultLimit. Errors: usage (no size).
  static Result<int64_t> default_limit();

  /// The content of an entry, kept by `owner` and starting at a multiple of 64 bytes.
  struct Entry {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  /// Nothing when it is not there. A damaged one is told of once, and removed.
  std::optional<Entry> find(const std::string& key);
  /// Writes an entry. A folder that cannot be written is told of once; nothing else comes of it.
  void put(const std::string& key, std::string_view bytes);

  struct Info {
    std::string folder;
    int64_t entries = 0, bytes = 0, limit = 0;
  };
  Info info() const;
  /// Removes every entry and nothing else; returns how many there were. Errors: io.
  Result<int64_t> clear();

 private:
  std::string file_of(const std::string& key) const;
  /// Removes the entries used least recently until the rest fits.
  void shrink();
  void complain(const std::string& message);

  std::string folder_;  ///< of the entries
  int64_t limit_;
  bool complained_ = false;
};

}  // namespace edgesmith::refine
