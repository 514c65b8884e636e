// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "edgesmith/base/check.h"
#include "edgesmith/base/file.h"

namespace edgesmith {

std::string sha256_hex(std::span<const std::byte> bytes) {
  return sha256_hex(std::span<const std::span<const std::byte>>(&bytes, 1));
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

std::string sha256_hex(std::span<const std::span<const std::byte>> parts) {
  std::array<unsigned char, 32> digest{};
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EDGESMITH_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  for (const std::span<const std::byte> part : parts) {
    for (std::span<const std::byte> rest = part; !rest.empty();) {
      const std::span<const std::byte> piece = rest.first(std::min(rest.size(), kPieceBytes));
      EDGESMITH_CHECK(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1);
      if (part.size() > kPieceBytes) forget_pages(piece);
      rest = rest.subspan(piece.size());
    }
  }
  EDGESMITH_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace edgesmith
