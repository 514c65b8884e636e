// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "edgesmith/base/check.h"

namespace edgesmith {

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  EDGESMITH_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace edgesmith
