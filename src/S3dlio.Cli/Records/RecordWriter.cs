using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Records;

/// <summary>Puts records into one of the forms, into memory that the caller empties.</summary>
/// <param name="form">Which.</param>
/// <param name="separator">Behind each record, with <see cref="RecordForm.Lines"/>.</param>
/// <param name="base64">JSON never has text.</param>
/// <param name="splits">A record that holds the separator is an error: who reads it would find two.</param>
sealed class RecordWriter(RecordForm form, byte[] separator, bool base64, bool splits) : IDisposable
{
    readonly ArrayBufferWriter<byte> _output = new(1 << 16);
    readonly Utf8JsonWriter _json = new(Stream.Null, JsonText.Options);

    public ReadOnlyMemory<byte> Written => _output.WrittenMemory;

    public void Clear() => _output.ResetWrittenCount();

    /// <param name="number">Of the record.</param>
    /// <param name="record">Its bytes.</param>
    /// <param name="log">The log, for messages.</param>
    public void Add(long number, ReadOnlySpan<byte> record, string log)
    {
        switch (form)
        {
            case RecordForm.Lines:
                if (splits && separator.Length > 0 && record.IndexOf(separator) >= 0)
                    throw new StoreException(ErrorKind.InvalidArgument, log,
                        $"record {number} holds the separator, so its lines could not be told from records; choose another --separator, "
                        + "or a form such as jsonl");
                _output.Write(record);
                _output.Write(separator);
                break;
            case RecordForm.JsonLines:
                Json(number, record);
                break;
            case RecordForm.Prefixed:
                BinaryPrimitives.WriteInt32LittleEndian(_output.GetSpan(sizeof(int)), record.Length);
                _output.Advance(sizeof(int));
                _output.Write(record);
                break;
            case RecordForm.TfRecord:
                TfRecordFrame.WriteHead(_output.GetSpan(TfRecordFrame.HeadLength), record.Length);
                _output.Advance(TfRecordFrame.HeadLength);
                _output.Write(record);
                TfRecordFrame.WriteChecksum(_output.GetSpan(TfRecordFrame.TailLength), record);
                _output.Advance(TfRecordFrame.TailLength);
                break;
            default:
                _output.Write(record);
                break;
        }
    }

    void Json(long number, ReadOnlySpan<byte> record)
    {
        _json.Reset(_output);
        _json.WriteStartObject();
        _json.WriteNumber("number", number);
        if (!base64 && Utf8.IsValid(record))
            _json.WriteString("text", record);
        else
            _json.WriteBase64String("base64", record);
        _json.WriteEndObject();
        _json.Flush();
        _output.Write("\n"u8);
    }

    public void Dispose() => _json.Dispose();
}
