#include "workloads/ycsb/record.h"

namespace lsmlab::workloads {
namespace {

// Finds the field; `head` becomes what is before its length.
Status Locate(Slice record, uint32_t wanted, Slice* head, Slice* field) {
  FieldCursor cursor(record);
  size_t start = 0;
  for (uint32_t i = 0; cursor.Next(field); ++i) {
    if (i == wanted) {
      *head = record.substr(0, start);
      return {};
    }
    start = static_cast<size_t>(field->data() - record.data()) + field->size();
  }
  if (!cursor.ok()) {
    return Status::Corruption("record of " + std::to_string(record.size()) +
                              " bytes: bad field length at offset " + std::to_string(start));
  }
  return Status::InvalidArgument("record has no field " + std::to_string(wanted));
}

}  // namespace

void EncodeRecord(std::span<const Slice> fields, std::string* out) {
  out->clear();
  for (const Slice field : fields) PutLengthPrefixed(*out, field);
}

Status ReplaceField(Slice record, uint32_t field, Slice bytes, std::string* out) {
  Slice head, old;
  LSMLAB_TRY(Locate(record, field, &head, &old));
  const size_t tail = static_cast<size_t>(old.data() - record.data()) + old.size();
  out->assign(head);
  PutLengthPrefixed(*out, bytes);
  out->append(record.substr(tail));
  return {};
}

Result<Slice> FieldOf(Slice record, uint32_t field) {
  Slice head, found;
  LSMLAB_TRY(Locate(record, field, &head, &found));
  return found;
}

}  // namespace lsmlab::workloads
