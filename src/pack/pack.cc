// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/pack/pack.h"

#include <algorithm>
#include <map>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/base/sha256.h"
#include "pack/byte_model.h"
#include "pack/container.h"
#include "pack/find_tensors.h"
#include "pack/primer.h"

namespace edgesmith::pack {
namespace {

/// Bytes of the rest that are coded between two looks at whether the user asked to stop: some milliseconds.
constexpr size_t kBytesBetweenLooks = 4096;

void put_varint(std::string& out, uint64_t value) {
  for (; value > 127; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
}

bool take_varint(std::string_view& rest, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < 9 && i < rest.size(); ++i) {
    value |= static_cast<uint64_t>(rest[i] & 127) << (7 * i);
    if ((rest[i] & 128) != 0) continue;
    rest.remove_prefix(i + 1);
    return true;
  }
  return false;
}

/// The first 8 bytes of the SHA-256 of all files, each behind its size.
std::string digest_of(std::span<const ModelFile> files) {
  std::vector<std::string> sizes;
  for (const ModelFile& file : files) sizes.push_back(std::to_string(file.bytes.size()) + "\n");
  std::vector<Bytes> parts;
  for (size_t i = 0; i < files.size(); ++i) {
    parts.push_back(std::as_bytes(std::span<const char>(sizes[i])));
    parts.push_back(std::as_bytes(std::span<const char>(files[i].bytes)));
  }
  const std::string hex = sha256_hex(parts);
  const auto digit = [&](size_t i) { return hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10; };
  std::string digest;
  for (size_t i = 0; i < 16; i += 2) digest.push_back(static_cast<char>(digit(i) << 4 | digit(i + 1)));
  return digest;
}

/// A byte model that has read the primer and the names of the tensors.
ByteModel taught_model(size_t size, const std::string& names) {
  const std::string words = names + primer();
  ByteModel model(size + words.size());
  Teacher teacher;
  for (const char c : words) model.byte(teacher, static_cast<uint8_t>(c));
  return model;
}

void add_name(const PackedTensor& tensor, std::string& names) {
  if (!tensor.name.empty()) names += '\n' + std::string(1, static_cast<char>(tensor.name.size())) + tensor.name;
}

/// The files without their tensors, behind the list of the files; sets every gap.
std::string take_out(std::span<const ModelFile> files, std::vector<FoundTensor>& found) {
  std::string rest;
  put_varint(rest, files.size() - 1);
  for (const ModelFile& file : files.subspan(1)) {
    put_varint(rest, file.name.size());
    rest += file.name;
    put_varint(rest, file.bytes.size());
  }
  size_t next = 0, last = rest.size();
  for (size_t f = 0; f < files.size(); ++f) {
    size_t at = 0;
    for (; next < found.size() && found[next].file == f; ++next) {
      rest.append(files[f].bytes, at, found[next].begin - at);
      at = found[next].end;
      found[next].tensor.gap = rest.size() - last;
      last = rest.size();
    }
    rest.append(files[f].bytes, at);
  }
  return rest;
}

void find_copies(std::vector<FoundTensor>& found) {
  std::map<std::string_view, size_t> seen;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].tensor.bytes.size() < 16) continue;
    const auto [at, fresh] = seen.emplace(found[i].tensor.bytes, i);
    if (!fresh && found[at->second].tensor.type == found[i].tensor.type &&
        found[at->second].tensor.dims == found[i].tensor.dims) {
      found[i].tensor.same_as = static_cast<int64_t>(at->second);
    }
  }
}

uint64_t elements_of(const PackedTensor& tensor) {
  return tensor.num_bytes() * 8 / std::max<uint64_t>(1, bytes_of(tensor.type, 8));
}

std::vector<std::pair<size_t, size_t>> cut(const std::vector<PackedTensor>& tensors) {
  std::vector<std::pair<size_t, size_t>> chunks;
  uint64_t bytes = 0;
  size_t begin = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    bytes += tensors[i].num_bytes();
    if (bytes < kChunkBytes && i + 1 < tensors.size()) continue;
    chunks.emplace_back(begin, i + 1);
    begin = i + 1, bytes = 0;
  }
  return chunks;
}

void summarize(const std::vector<PackedTensor>& tensors, const Container& container, PackSummary& summary) {
  summary.tensors = tensors.size();
  for (const PackedTensor& tensor : tensors) {
    summary.tensor_bytes += tensor.num_bytes();
    summary.elements += elements_of(tensor);
  }
  for (const Chunk& chunk : container.chunks) summary.packed_tensor_bytes += chunk.coded.size() + chunk.plain.size();
}

Error damaged() { return invalid_error("is damaged", "copy or pack it again"); }

/// Puts the tensors back between the bytes of the rest.
Result<std::vector<ModelFile>> put_back(std::string_view rest, const std::vector<PackedTensor>& tensors) {
  std::vector<ModelFile> files(1);
  std::vector<uint64_t> sizes;
  uint64_t count = 0;
  if (!take_varint(rest, count) || count > rest.size()) return damaged();
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t name = 0, size = 0;
    if (!take_varint(rest, name) || name > rest.size()) return damaged();
    files.push_back({std::string(rest.substr(0, name)), ""});
    rest.remove_prefix(name);
    if (!take_varint(rest, size)) return damaged();
    sizes.push_back(size);
  }
  std::string content;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const PackedTensor* tensor = &tensors[i];
    if (tensor->gap > rest.size()) return damaged();
    content += rest.substr(0, tensor->gap);
    rest.remove_prefix(tensor->gap);
    PackedTensor copy;
    if (tensor->same_as >= 0) {
      const PackedTensor& original = tensors[static_cast<size_t>(tensor->same_as)];
      if (original.same_as >= 0 || original.num_bytes() != tensor->num_bytes()) return damaged();
      copy = *tensor;
      copy.bytes = original.bytes;
      tensor = &copy;
    }
    if (!write_tensor(*tensor, content)) return damaged();
  }
  content += rest;
  uint64_t others = 0;
  for (const uint64_t size : sizes) {
    if (size > content.size() - others) return damaged();
    others += size;
  }
  size_t at = content.size() - others;
  for (size_t i = 0; i < sizes.size(); ++i) {
    files[i + 1].bytes = content.substr(at, sizes[i]);
    at += sizes[i];
  }
  content.resize(content.size() - others);
  files[0].bytes = std::move(content);
  return files;
}

Result<std::string> decode_rest(const Container& container, const std::string& names) {
  if (container.rest_bytes > (static_cast<uint64_t>(container.rest.size()) + 8) * 23000) return damaged();
  ByteModel model = taught_model(container.rest_bytes, names);
  Decoder decoder(container.rest, {});
  std::string rest;
  for (uint64_t i = 0; i < container.rest_bytes; ++i) {
    if (i % kBytesBetweenLooks == 0) EDGESMITH_TRY(check_interrupted());
    rest.push_back(static_cast<char>(model.byte(decoder, 0)));
    if (decoder.failed()) return damaged();
  }
  if (!decoder.used_up()) return damaged();
  return rest;
}

}  // namespace

namespace {

/// A model taken apart.
struct Content {
  std::string rest, names;
  std::vector<PackedTensor> tensors;
};

Result<Content> take_apart(std::span<const ModelFile> files) {
  auto found = find_tensors(files);
  if (!found) return found.error();
  Content content;
  content.rest = take_out(files, *found);
  find_copies(*found);
  for (FoundTensor& one : *found) content.tensors.push_back(std::move(one.tensor));
  for (const PackedTensor& tensor : content.tensors) add_name(tensor, content.names);
  return content;
}

void encode_rest(const Content& content, Encoder& coder) {
  ByteModel model = taught_model(content.rest.size(), content.names);
  for (size_t i = 0; i < content.rest.size(); ++i) {
    if (i % kBytesBetweenLooks == 0 && interrupted()) return;
    model.byte(coder, static_cast<uint8_t>(content.rest[i]));
  }
  coder.finish();
}

/// The first rows of a tensor that is larger than a chunk, else all of it.
PackedTensor first_rows(const PackedTensor& tensor) {
  const uint64_t bytes = tensor.num_bytes(), chunk = kChunkBytes;
  if (tensor.dims.empty() || tensor.same_as >= 0 || bytes <= 2 * chunk) return tensor;
  PackedTensor part = tensor;
  const auto all = static_cast<uint64_t>(tensor.dims[0]);
  const uint64_t rows =
      std::max<uint64_t>(2, chunk / std::max<uint64_t>(1, bytes / all)) & ~uint64_t{1};  // 4-bit rows end in mid-byte
  if (rows >= all) return tensor;
  part.dims[0] = static_cast<int64_t>(rows);
  part.bytes.resize(part.num_bytes());
  return part;
}

}  // namespace

Result<Packed> pack(std::span<const ModelFile> files, ThreadPool& pool) {
  auto content = take_apart(files);
  if (!content) return content.error();
  const std::vector<PackedTensor>& tensors = content->tensors;
  const auto chunks = cut(tensors);
  std::vector<Encoder> coders(chunks.size() + 1);
  // The rest is one more piece of work beside the chunks.
  interruptible_for(pool, static_cast<int64_t>(coders.size()), [&](int64_t index, int) {
    const auto i = static_cast<size_t>(index);
    if (i == 0) return encode_rest(*content, coders[0]);
    const auto [begin, end] = chunks[i - 1];
    encode_tensors(std::span(tensors).subspan(begin, end - begin), coders[i]);
  });
  EDGESMITH_TRY(check_interrupted());

  Container container;
  container.digest = digest_of(files);
  for (size_t i = 0; i < chunks.size(); ++i) {
    container.chunks.push_back({chunks[i].second - chunks[i].first,
                                std::as_bytes(std::span<const char>(coders[i + 1].coded())),
                                std::as_bytes(std::span<const char>(coders[i + 1].plain()))});
  }
  container.rest_bytes = content->rest.size();
  container.rest = std::as_bytes(std::span<const char>(coders[0].coded()));
  Packed packed;
  packed.bytes = write_container(container);
  for (const ModelFile& file : files) packed.summary.model_bytes += file.bytes.size();
  packed.summary.packed_bytes = packed.bytes.size();
  summarize(tensors, container, packed.summary);
  return packed;
}

Result<uint64_t> estimate_packed_bytes(std::span<const ModelFile> files, ThreadPool& pool) {
  auto content = take_apart(files);
  if (!content) return content.error();
  const std::vector<PackedTensor>& tensors = content->tensors;
  const auto chunks = cut(tensors);
  // Chunks at equal distances, at most kSampled of them.
  constexpr size_t kSampled = 8;
  const size_t count = std::min(chunks.size(), kSampled);
  std::vector<Encoder> coders(count + 1);
  std::vector<uint64_t> coded(count + 1);
  interruptible_for(pool, static_cast<int64_t>(coders.size()), [&](int64_t index, int) {
    const auto i = static_cast<size_t>(index);
    if (i == count) return encode_rest(*content, coders[i]);
    const auto [begin, end] = chunks[i * chunks.size() / count];
    std::vector<PackedTensor> parts;
    for (size_t t = begin; t < end; ++t) {
      parts.push_back(first_rows(tensors[t]));
      coded[i] += elements_of(parts.back());
    }
    encode_tensors(parts, coders[i]);
  });
  EDGESMITH_TRY(check_interrupted());
  uint64_t all = 0, sampled = 0;
  double bytes = 0;
  for (const PackedTensor& tensor : tensors) all += elements_of(tensor);
  for (size_t i = 0; i < count; ++i) {
    sampled += coded[i];
    bytes += static_cast<double>(coders[i].coded().size() + coders[i].plain().size());
  }
  if (sampled > 0) bytes *= static_cast<double>(all) / static_cast<double>(sampled);
  // What stands around: docs/format.md.
  constexpr uint64_t kHead = 21, kChunkHead = 6;
  return static_cast<uint64_t>(bytes) + coders[count].coded().size() + kHead + kChunkHead * chunks.size();
}

Result<Unpacked> unpack(std::span<const std::byte> bytes, ThreadPool& pool) {
  auto container = read_container(bytes);
  if (!container) return container.error();
  std::vector<uint64_t> firsts;
  uint64_t count = 0;
  for (const Chunk& chunk : container->chunks) {
    if (chunk.tensors > (chunk.coded.size() + 8) * 23000) return damaged();
    firsts.push_back(count);
    count += chunk.tensors;
  }
  std::vector<std::vector<PackedTensor>> decoded(container->chunks.size());
  std::vector<Status> statuses(decoded.size());
  interruptible_for(pool, static_cast<int64_t>(decoded.size()), [&](int64_t index, int) {
    const auto i = static_cast<size_t>(index);
    const Chunk& chunk = container->chunks[i];
    Decoder decoder(chunk.coded, chunk.plain);
    auto tensors = decode_tensors(chunk.tensors, firsts[i], decoder, chunk.coded.size());
    if (tensors)
      decoded[i] = std::move(*tensors);
    else
      statuses[i] = tensors.error();
  });
  EDGESMITH_TRY(check_interrupted());
  for (const Status& status : statuses) EDGESMITH_TRY(status);
  std::vector<PackedTensor> tensors;
  std::string names;
  for (auto& chunk : decoded) {
    for (PackedTensor& tensor : chunk) {
      add_name(tensor, names);
      tensors.push_back(std::move(tensor));
    }
  }
  auto rest = decode_rest(*container, names);
  if (!rest) return rest.error();
  auto files = put_back(*rest, tensors);
  if (!files) return files.error();
  if (digest_of(*files) != container->digest) return damaged();
  Unpacked unpacked{std::move(*files), {}};
  for (const ModelFile& file : unpacked.files) unpacked.summary.model_bytes += file.bytes.size();
  unpacked.summary.packed_bytes = bytes.size();
  summarize(tensors, *container, unpacked.summary);
  return unpacked;
}

}  // namespace edgesmith::pack
