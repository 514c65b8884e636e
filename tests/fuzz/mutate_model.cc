// SPDX-License-Identifier: Apache-2.0
#include "mutate_model.h"

#include <string>
#include <vector>

namespace edgesmith::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// A number below `count`, which is not 0.
std::size_t any(std::minstd_rand& random, std::size_t count) { return random() % count; }

/// All messages of the tree under `top`, itself first.
std::vector<Message*> messages_of(Message& top) {
  std::vector<Message*> all = {&top};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Reflection* reflection = all[i]->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(*all[i], &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (field->is_repeated()) {
        for (int k = 0; k < reflection->FieldSize(*all[i], field); ++k) {
          all.push_back(reflection->MutableRepeatedMessage(all[i], field, k));
        }
      } else {
        all.push_back(reflection->MutableMessage(all[i], field));
      }
    }
  }
  return all;
}

/// The strings of a model: names, types of operators, domains, bytes of tensors.
std::vector<std::string> strings_of(const std::vector<Message*>& messages) {
  std::vector<std::string> all = {""};
  for (const Message* message : messages) {
    const Reflection* reflection = message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
      if (!field->is_repeated()) all.push_back(reflection->GetString(*message, field));
      for (int k = 0; field->is_repeated() && k < reflection->FieldSize(*message, field); ++k) {
        all.push_back(reflection->GetRepeatedString(*message, field, k));
      }
    }
  }
  return all;
}

std::int64_t any_number(std::minstd_rand& random) {
  constexpr std::int64_t kOdd[] = {-1, 127, 128, 255, 256, 65535, 1 << 20, 0x7fffffff, INT64_MAX, INT64_MIN};
  if (any(random, 3) == 0) return kOdd[any(random, std::size(kOdd))];
  return static_cast<std::int64_t>(any(random, 24));
}

/// Sets a number or text: element `at` of a repeated field, or the field.
void set_scalar(Message& message, const FieldDescriptor* field, int at, const std::vector<std::string>& strings,
                std::minstd_rand& random) {
  const Reflection* reflection = message.GetReflection();
  const bool repeated = field->is_repeated();
  const auto set = [&](auto one, auto element, const auto& value) {
    repeated ? (reflection->*element)(&message, field, at, value) : (reflection->*one)(&message, field, value);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return set(&Reflection::SetInt32, &Reflection::SetRepeatedInt32, static_cast<std::int32_t>(any_number(random)));
    case FieldDescriptor::CPPTYPE_INT64:
      return set(&Reflection::SetInt64, &Reflection::SetRepeatedInt64, any_number(random));
    case FieldDescriptor::CPPTYPE_UINT64:
      return set(&Reflection::SetUInt64, &Reflection::SetRepeatedUInt64,
                 static_cast<std::uint64_t>(any_number(random)));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return set(&Reflection::SetFloat, &Reflection::SetRepeatedFloat, static_cast<float>(any_number(random)) / 4);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return set(&Reflection::SetDouble, &Reflection::SetRepeatedDouble, static_cast<double>(any_number(random)) / 4);
    case FieldDescriptor::CPPTYPE_ENUM:
      return set(&Reflection::SetEnumValue, &Reflection::SetRepeatedEnumValue, static_cast<int>(any(random, 28)));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string& text = strings[any(random, strings.size())];
      return repeated ? reflection->SetRepeatedString(&message, field, at, text)
                      : reflection->SetString(&message, field, text);
    }
    default: return;  // other types are not in onnx.proto
  }
}

/// One more element at the end of a repeated field.
void add_element(Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection->AddInt32(&message, field, 0);
    case FieldDescriptor::CPPTYPE_INT64: return reflection->AddInt64(&message, field, 0);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection->AddUInt64(&message, field, 0);
    case FieldDescriptor::CPPTYPE_FLOAT: return reflection->AddFloat(&message, field, 0);
    case FieldDescriptor::CPPTYPE_DOUBLE: return reflection->AddDouble(&message, field, 0);
    case FieldDescriptor::CPPTYPE_ENUM: return reflection->AddEnumValue(&message, field, 0);
    case FieldDescriptor::CPPTYPE_STRING: return reflection->AddString(&message, field, "");
    case FieldDescriptor::CPPTYPE_MESSAGE: reflection->AddMessage(&message, field); return;
    default: return;
  }
}

/// A message of this kind out of `donors`, or null.
const Message* any_like(const Descriptor* kind, const std::vector<Message*>& donors, std::minstd_rand& random) {
  const std::size_t first = any(random, donors.size());
  for (std::size_t i = 0; i < donors.size(); ++i) {
    const Message* donor = donors[(first + i) % donors.size()];
    if (donor->GetDescriptor() == kind) return donor;
  }
  return nullptr;
}

}  // namespace

void mutate_model(::onnx::ModelProto& model, const ::onnx::ModelProto& donor, std::minstd_rand& random) {
  ::onnx::ModelProto source = donor;
  const std::vector<Message*> donors = messages_of(source);
  const std::vector<Message*> messages = messages_of(model);
  Message& message = *messages[any(random, messages.size())];
  const Reflection* reflection = message.GetReflection();
  const Descriptor* kind = message.GetDescriptor();
  const FieldDescriptor* field =
      kind->field(static_cast<int>(any(random, static_cast<std::size_t>(kind->field_count()))));
  const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 0;
  const bool of_messages = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  const std::size_t what = any(random, 8);
  int at = count > 0 ? static_cast<int>(any(random, static_cast<std::size_t>(count))) : 0;
  if (what == 0) return reflection->ClearField(&message, field);
  if (count > 0 && what == 1) {
    reflection->SwapElements(&message, field, at, count - 1);
    return reflection->RemoveLast(&message, field);
  }
  if (count > 1 && what == 2)
    return reflection->SwapElements(&message, field, at,
                                    static_cast<int>(any(random, static_cast<std::size_t>(count))));
  if (field->is_repeated() && (count == 0 || what < 5)) {
    add_element(message, field);
    at = count;
  }
  if (!of_messages) return set_scalar(message, field, at, strings_of(any(random, 2) == 0 ? messages : donors), random);
  const Message* like = any_like(field->message_type(), donors, random);
  if (like == nullptr) return;
  Message* target = field->is_repeated() ? reflection->MutableRepeatedMessage(&message, field, at)
                                         : reflection->MutableMessage(&message, field);
  target->CopyFrom(*like);
  if (field->is_repeated() && count > 0)
    reflection->SwapElements(&message, field, at, static_cast<int>(any(random, static_cast<std::size_t>(count))));
}

}  // namespace edgesmith::fuzz
