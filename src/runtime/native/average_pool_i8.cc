// SPDX-License-Identifier: Apache-2.0
// average_pool and global_average_pool of codes, channels last: channels lie across lanes; the positions of a window
// that lie inside the image are added, the rest counts (integer/average.h). No scratch.
#include "runtime/integer/average.h"
#include "runtime/integer/plain.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

struct PackedMean : Prepared {
  integer::Form form;
  uint8_t flip = 0;
  CodeStore store;
};

bool supports_form(const integer::Form& form) { return integer::is_average(form) && !form.fixed_point(); }

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa) {
  auto packed = std::make_shared<PackedMean>();
  packed->form = form;
  packed->flip = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  packed->store = code_store(form.result);
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedMean&>(*call.prepared);
  const ir::Dims& x = call.inputs[0]->dims();
  const auto window = integer::average_window(call.node, ir::Dims(x.begin() + 2, x.end()));
  if (!window) return window.error();
  const bool count_pads = call.node.attributes().get_int("count_include_pad", 0) != 0;
  const int32_t zero_point = packed.form.operands[0]->zero_point + packed.flip;
  const int64_t channels = x[1];
  const IntTable& table = int_table(call.isa);
  IntMean job = {.row_step = 0, .flip = packed.flip, .count = channels, .store = packed.store};
  const auto* image = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data());
  for (int64_t y = 0; y < window->output[0]; ++y) {
    const integer::AverageSpan rows = integer::average_span(*window, 0, y, count_pads);
    for (int64_t z = 0; z < window->output[1]; ++z) {
      const integer::AverageSpan columns = integer::average_span(*window, 1, z, count_pads);
      const int64_t counted = std::max<int64_t>(1, rows.counted * columns.counted);
      job.rows = rows.inside;
      job.columns = columns.inside;
      job.row_step = rows.step * x[3] * channels;
      job.column_step = columns.step * channels;
      job.start = static_cast<int32_t>(-zero_point * rows.inside * columns.inside);
      job.scale = integer::mean_of(packed.form, counted).scale[0];
      for (int64_t n = 0; n < x[0]; ++n) {
        job.input = image + ((n * x[2] + rows.begin) * x[3] + columns.begin) * channels;
        const int64_t pixel = (n * window->output[0] + y) * window->output[1] + z;
        job.out = call.outputs[0].as<uint8_t>() + pixel * channels;
        table.mean(job);
      }
    }
  }
  return {};
}

constexpr Kernel row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .supports_form = supports_form,
          .layout = Layout::channels_last,
          .prepare_form = prepare_form,
          .run = run};
}

}  // namespace

const Kernel kAveragePoolI8 = row("average_pool_i8", ir::OpKind::average_pool);
const Kernel kGlobalAveragePoolI8 = row("global_average_pool_i8", ir::OpKind::global_average_pool);

}  // namespace edgesmith::runtime::native
