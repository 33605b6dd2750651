using System.Buffers.Binary;
using S3dlio.Tensors;

namespace S3dlio.Fuzz.Targets;

/// <summary>The head of a .npy object, whose length is the input's.</summary>
sealed class NpyHeaderTarget : Target
{
    const string Uri = "memory://fuzz/x.npy";

    public override string Name => "npy";

    public override IEnumerable<byte[]> Seeds =>
    [
        NpyHeader.Build("'<f4'", false, [2, 3], null, Uri),
        NpyHeader.Build("'|V2'", true, [7], "bfloat16", Uri),
        NpyHeader.Build("[('a', '<i4'), ('b', '<f8', (2,))]", false, [], null, Uri),
        NpyHeader.Build("[('漢', '<i4')]", false, [0, 5], null, Uri),
    ];

    public override Grammar Grammar { get; } = new("head", new Dictionary<string, string[]>
    {
        // the prefix is repaired; latin-1 and UTF-8 differ behind it
        ["head"] = ["\u0001NUMPY12345{'descr': «descr», 'fortran_order': «bool», 'shape': «shape», }«end»",
            "\u0001NUMPY12345{«items»}«end»"],
        ["items"] = ["", "«key»: «value», «items»", "«key»: «value»"],
        ["key"] = ["'descr'", "'fortran_order'", "'shape'", "\"shape\"", "'«text»'", "«text»"],
        ["value"] = ["«descr»", "«bool»", "«shape»", "«text»", "«number»"],
        ["bool"] = ["True", "False", "true", "1", "None"],
        ["shape"] = ["()", "(«number»,)", "(«numbers»)", "[«numbers»]", "(3L, 4L)"],
        ["numbers"] = ["«number»", "«number», «numbers»", "«number»,"],
        ["descr"] = ["'<f4'", "'|V1'", "'«type»'", "[«fields»]", "(«descr», «shape»)", "«number»"],
        ["type"] = ["<f4", "|V2", "|O", "<U«number»", "«text»", "i4,O", "object", "\\x4f", "<M8[ns]"],
        ["fields"] = ["", "(«name», «descr»), «fields»", "(«name», «descr», «shape»)", "((«title», «name»), «descr»)",
            "(«name», '<i4', «number»)"],
        ["name"] = ["'a'", "'«text»'", "\"«text»\"", "'\\x41'", "'\\U0001F600'"],
        ["title"] = ["'t'", "1", "None", "True", "«text»"],
        ["end"] = ["\n", " \n", " # s3dlio-dtype: bfloat16\n", " # «text»\n", "«text»", " # s3dlio-dtype: «text»\n"],
    });

    public override IReadOnlyList<string> Tokens { get; } =
        ["'descr': ", "'fortran_order': ", "'shape': ", "True", "False", "'<f4'", "'|V2'", "(", ")", "[", "]", ",", "L", "# s3dlio-dtype: ",
            "\\x", "\\U0010FFFF", "{", "}"];

    public override byte[] Repair(byte[] input)
    {
        if (input.Length < 12)
            return input;
        byte[] whole = [.. input];
        whole[0] = 0x93;
        "NUMPY"u8.CopyTo(whole.AsSpan(1));
        whole[6] = (byte)((input[6] % 3) + 1);
        whole[7] = 0;
        if (whole[6] == 1)
            BinaryPrimitives.WriteUInt16LittleEndian(whole.AsSpan(8), (ushort)(whole.Length - 10));
        else
            BinaryPrimitives.WriteUInt32LittleEndian(whole.AsSpan(8), (uint)(whole.Length - 12));
        return whole;
    }

    public override string Run(byte[] input)
    {
        int needed = NpyHeader.RequiredLength(input.AsSpan(0, Math.Min(NpyHeader.PrefixLength, input.Length)), input.Length, Uri);
        Must(needed <= input.Length && needed > 0, "the length asked for lies within the object");
        var header = NpyHeader.Parse(input.AsSpan(0, needed), input.Length, Uri);
        Must(header.DataOffset == needed, "the data begins behind the header");
        Must(header.Shape.Count <= NpyHeader.MaxRank && header.Shape.All(n => n >= 0) && header.ElementCount >= 0,
            "shape and count are in range");
        Must(header.ElementCount == header.Shape.Aggregate((Int128)1, (a, b) => a * b), "the count is the product of the shape");
        byte[] again = NpyHeader.Build(header.Descr, header.FortranOrder, [.. header.Shape], header.ExtensionType, Uri);
        var same = NpyHeader.Parse(again, again.Length, Uri);
        Must(same.Descr == header.Descr && same.FortranOrder == header.FortranOrder && same.Shape.SequenceEqual(header.Shape)
            && same.ExtensionType == header.ExtensionType, "what is written again reads the same");
        return $"version {input[6]}, {(header.Descr[0] == '\'' ? "plain" : "fields")}, rank {Math.Min(header.Shape.Count, 4)}, "
            + $"{header.FortranOrder}, {header.ExtensionType is null}";
    }
}
