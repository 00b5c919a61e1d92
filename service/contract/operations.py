"""Which of TensorFlow's operations a SavedModel may not use, and what they would do.

A SavedModel is a program. Nearly all of TensorFlow's operations compute; these reach
out of the process: to files, to other machines, to Python. docs/security.md says what
this stops and what it does not.
"""

from collections.abc import Mapping

READS = "reads files"
WRITES = "writes files"
CALLS_PYTHON = "calls Python"
CALLS_OUT = "talks to other processes or machines"
ABORTS = "ends the process"

_BY_EFFECT = {
    READS: """
        CSVDataset CSVDatasetV2 CacheDataset CacheDatasetV2 DTensorRestoreV2
        ExperimentalCSVDataset ExperimentalLMDBDataset
        ExperimentalMatchingFilesDataset ExperimentalSqlDataset
        FileSystemSetConfiguration FixedLengthRecordDataset FixedLengthRecordDatasetV2
        FixedLengthRecordReader FixedLengthRecordReaderV2 GenerateVocabRemapping
        ImportEvent LMDBDataset LMDBReader ListSnapshotChunksDataset
        LoadAndRemapMatrix LoadDataset MatchingFiles MatchingFilesDataset ReadFile
        RecordInput Restore RestoreSlice SnapshotChunkDataset SnapshotDatasetReader
        SnapshotNestedDatasetReader SqlDataset TFRecordDataset TFRecordDatasetV2
        TFRecordReader TFRecordReaderV2 TextLineDataset TextLineReader
        TextLineReaderV2 WholeFileReader WholeFileReaderV2
    """,
    WRITES: """
        CalibrationStatisticsSaver CloseSummaryWriter CreateSummaryDbWriter
        CreateSummaryFileWriter DatasetToTFRecord DistributedSave DumpTensor
        ExperimentalDatasetToTFRecord FlushSummaryWriter Save SaveDataset
        SaveDatasetV2 SaveSlices SnapshotDataset SnapshotDatasetV2
        StatsAggregatorSetSummaryWriter SummaryWriter WriteAudioSummary WriteFile
        WriteGraphSummary WriteHistogramSummary WriteImageSummary WriteRawProtoSummary
        WriteScalarSummary WriteSummary
    """,
    CALLS_PYTHON: "EagerPyFunc PyFunc PyFuncStateless",
    CALLS_OUT: """
        CollectiveAllToAllV2 CollectiveAllToAllV3 CollectiveAssignGroupV2
        CollectiveBcastRecv CollectiveBcastRecvV2 CollectiveBcastSend
        CollectiveBcastSendV2 CollectiveGather CollectiveGatherV2
        CollectiveInitializeCommunicator CollectivePermute CollectiveReduce
        CollectiveReduceScatterV2 CollectiveReduceV2 CollectiveReduceV3
        ConfigureAndInitializeGlobalTPU ConfigureDistributedTPU DataServiceDataset
        DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 DebugIdentity
        DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
        DebugNumericSummaryV2 DeleteRpcFutureResource Recv RegisterDataset
        RegisterDatasetV2 RemoteCall RpcCall RpcCheckStatus RpcClient RpcGetValue
        RpcServer RpcServerRegister RpcServerStart Send ShutdownDistributedTPU
        WorkerHeartbeat _HostRecv _HostSend _Recv _Send
    """,
    ABORTS: "Abort",
}

FORBIDDEN: Mapping[str, str] = {
    operation: effect
    for effect, operations in _BY_EFFECT.items()
    for operation in operations.split()
}
"""What an operation does that a served model may not, by the operation's name."""

SAVER: Mapping[str, str] = {
    "MergeV2Checkpoints": WRITES,
    "RestoreV2": READS,
    "SaveV2": WRITES,
}
"""Operations that a SavedModel has to save itself, and that no signature may reach."""

TEXT_TABLES = frozenset(
    {"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}
)
"""Fill a table from a file: allowed from the model's own assets only."""

_STATEFUL = """
    AccumulatorApplyGradient AccumulatorTakeGradient AddManySparseToTensorsMap
    AddSparseToTensorsMap Assign AssignAdd AssignAddVariableOp AssignSub
    AssignSubVariableOp AssignVariableOp Barrier BarrierInsertMany BarrierTakeMany
    GetSessionHandle GetSessionHandleV2 Iterator IteratorV2 LookupTableImport
    LookupTableImportV2 LookupTableInsert LookupTableInsertV2 LookupTableRemoveV2
    MapClear MapStage MapUnstage MapUnstageNoKey OneShotIterator OrderedMapClear
    OrderedMapStage OrderedMapUnstage OrderedMapUnstageNoKey QueueDequeue
    QueueDequeueMany QueueDequeueManyV2
    QueueDequeueUpToV2 QueueDequeueV2 QueueEnqueue QueueEnqueueMany
    QueueEnqueueManyV2 QueueEnqueueV2 ResourceCountUpTo ResourceScatterAdd
    ResourceScatterDiv ResourceScatterMax ResourceScatterMin ResourceScatterMul
    ResourceScatterNdAdd ResourceScatterNdMax ResourceScatterNdMin
    ResourceScatterNdSub ResourceScatterNdUpdate ResourceScatterSub
    ResourceAccumulatorApplyGradient ResourceAccumulatorTakeGradient
    ResourceScatterUpdate ResourceStridedSliceAssign ScatterAdd ScatterDiv ScatterMax
    ScatterMin ScatterMul ScatterNdAdd ScatterNdMax ScatterNdMin ScatterNdSub
    ScatterNdUpdate ScatterSub ScatterUpdate SparseAccumulatorApplyGradient
    SparseAccumulatorTakeGradient StackPop StackPopV2 StackPush StackPushV2 Stage
    StageClear TakeManySparseFromTensorsMap Unstage
"""

STREAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "DecodeProtoV2": ("descriptor_source", ("", "local://", "bytes://")),
    "EncodeProto": ("descriptor_source", ("", "local://", "bytes://")),
    "FixedUnigramCandidateSampler": ("vocab_file", ("",)),
    "PrintV2": ("output_stream", ("", "stderr", "stdout", "log(info)", "log(warning)",
                                  "log(error)")),
}  # fmt: skip
"""Operations with an attribute that may name a file: which one, and what is harmless.

A value that ends with `://` stands for all that begin with it.
"""

APPLIES = ("Apply", "ResourceApply", "ResourceSparseApply", "SparseApply")
"""What the names of a training step's operations begin with."""

STATEFUL = frozenset(_STATEFUL.split())
"""Operations by which one request may change what later ones see."""


def writes_state(operation: str) -> bool:
    """Whether an operation changes variables or tables that outlive the request."""
    return operation in STATEFUL or operation.startswith(APPLIES)
