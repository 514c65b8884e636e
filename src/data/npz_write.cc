// SPDX-License-Identifier: Apache-2.0
// Writes .npz archives: stored entries, dates fixed, so that equal arrays give equal bytes. An archive that could pass
// 4 GiB is zip64 throughout; a smaller one is not, because simple readers of NumPy files do not know zip64.
#include <algorithm>

#include "data/bytes.h"
#include "data/npy.h"
#include "data/zip.h"
#include "edgesmith/base/file.h"
#include "edgesmith/data/arrays.h"

namespace edgesmith::data {
namespace {

constexpr uint64_t kZip64From = 0xf0000000;

class Writer {
 public:
  Writer(AtomicFile& file, bool zip64) : file_(file), zip64_(zip64) {}

  void add(const std::string& name, const std::string& head, std::span<const std::byte> body) {
    const uint64_t size = head.size() + body.size(), offset = file_.size();
    const uint32_t crc = crc32_of(body, crc32_of(std::as_bytes(std::span(head))));
    std::string sizes;
    if (zip64_) put(sizes, {{size, 8}, {size, 8}});
    std::string local;
    put(local, {{0x04034b50, 4}});
    put_common(local, crc, size, name.size(), sizes);
    file_.write(local + name + extra(sizes));
    file_.write(head);
    file_.write(body);

    if (zip64_) put(sizes, {{offset, 8}});
    put(directory_, {{0x02014b50, 4}, {version(), 2}});
    put_common(directory_, crc, size, name.size(), sizes);
    // No comment, disk 0, no attributes.
    put(directory_, {{0, 2}, {0, 2}, {0, 2}, {0, 4}, {zip64_ ? kIn64 : offset, 4}});
    directory_ += name + extra(sizes);
    ++count_;
  }

  void finish() {
    const uint64_t offset = file_.size(), size = directory_.size();
    std::string end;
    if (zip64_) {
      const uint64_t end64 = offset + size;
      put(end, {{0x06064b50, 4}, {44, 8}, {45, 2}, {45, 2}, {0, 8}, {count_, 8}, {count_, 8}, {size, 8}, {offset, 8}});
      put(end, {{0x07064b50, 4}, {0, 4}, {end64, 8}, {1, 4}});
    }
    put(end, {{0x06054b50, 4}, {0, 4}, {count_, 2}, {count_, 2}, {size, 4}, {zip64_ ? kIn64 : offset, 4}, {0, 2}});
    file_.write(directory_);
    file_.write(end);
  }

 private:
  struct Field {
    uint64_t value;
    int width;
  };
  static void put(std::string& out, std::initializer_list<Field> fields) {
    for (const Field& field : fields) {
      for (int i = 0; i < field.width; ++i) out += static_cast<char>((field.value >> (8 * i)) & 0xff);
    }
  }
  uint64_t version() const { return zip64_ ? 45 : 20; }
  // Version, flags (UTF-8 names), method (stored), time and date (1980-01-01), CRC, sizes, lengths.
  void put_common(std::string& out, uint32_t crc, uint64_t size, uint64_t name_length, const std::string& sizes) const {
    const uint64_t shown = zip64_ ? kIn64 : size;
    put(out, {{version(), 2},
              {1 << 11, 2},
              {0, 2},
              {0, 2},
              {(1 << 5) | 1, 2},
              {crc, 4},
              {shown, 4},
              {shown, 4},
              {name_length, 2},
              {extra(sizes).size(), 2}});
  }
  static std::string extra(const std::string& numbers) {
    std::string out;
    if (!numbers.empty()) put(out, {{1, 2}, {numbers.size(), 2}});
    return out + numbers;
  }

  AtomicFile& file_;
  bool zip64_;
  std::string directory_;
  uint64_t count_ = 0;
};

}  // namespace

Status write_npz(const std::string& path, std::span<const NamedArray> arrays, Existing existing) {
  if (arrays.size() > 0xfffe) return unsupported_error(path + ": more than 65534 arrays in one npz file");
  std::vector<NamedArray> dense;
  std::vector<std::string> heads;
  uint64_t total = 0;
  for (const NamedArray& array : arrays) {
    ir::Tensor tensor = array.tensor.dtype() == ir::DType::string ? array.tensor : array.tensor.dense();
    if (tensor.dtype() == ir::DType::bf16) tensor = ir::Tensor::of<float>(tensor.dims(), tensor.to_floats());
    auto head = npy_header(tensor.dtype(), tensor.dims());
    if (!head) return head.error().in(path + ": " + array.name);
    total += head->size() + tensor.bytes().size() + 2 * array.name.size() + 256;
    heads.push_back(*head);
    dense.push_back({array.name, std::move(tensor)});
  }
  auto file = AtomicFile::create(path, existing);
  if (!file) return file.error();
  Writer writer(**file, total >= kZip64From);
  for (size_t i = 0; i < dense.size(); ++i) {
    writer.add(dense[i].name + ".npy", heads[i], dense[i].tensor.bytes());
  }
  writer.finish();
  return (*file)->commit();
}

}  // namespace edgesmith::data
