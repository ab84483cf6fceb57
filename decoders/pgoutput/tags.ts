/** Tags of messages and of what is in them: manual, 54.9 "Logical Replication Message Formats". */
export const TAG = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  streamStart: 0x53, // S
  streamStop: 0x45, // E
  streamCommit: 0x63, // c
  streamAbort: 0x41, // A
  beginPrepare: 0x62, // b
  prepare: 0x50, // P
  commitPrepared: 0x4b, // K
  rollbackPrepared: 0x72, // r
  streamPrepare: 0x70, // p
  newTuple: 0x4e, // N
  keyTuple: 0x4b, // K
  oldTuple: 0x4f, // O
  null: 0x6e, // n
  unchanged: 0x75, // u
  text: 0x74, // t
  binary: 0x62, // b
} as const;
