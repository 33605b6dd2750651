using System.Text;
using Xunit;

namespace S3dlio.Storage.Remote.S3;

public sealed class S3UploadsTests
{
    static S3Store.Uploads Parse(string body) => S3Store.Uploads.Parse(
        Encoding.UTF8.GetBytes(
            "<?xml version=\"1.0\"?><ListMultipartUploadsResult "
            + $"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</ListMultipartUploadsResult>"), "s3://b/");

    [Fact]
    public void Parse_PageOfAmazon_GivesUploadsAndWhereItGoesOn()
    {
        var page = Parse("""
            <Bucket>b</Bucket><KeyMarker/><UploadIdMarker/><NextKeyMarker>a%2Fb+c</NextKeyMarker><NextUploadIdMarker>id2</NextUploadIdMarker>
            <EncodingType>url</EncodingType><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
            <Upload><Key>a%2F1</Key><UploadId>id1</UploadId><Initiator><ID>x</ID><DisplayName>y</DisplayName></Initiator>
              <Owner><ID>z</ID></Owner><StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
            <Upload><Key>a%2Fb%20c</Key><UploadId>id2</UploadId></Upload>
            """);
        Assert.Equal(
            [new UnfinishedUpload("a/1", "id1", new DateTimeOffset(2010, 11, 10, 20, 48, 33, TimeSpan.Zero)),
                new UnfinishedUpload("a/b c", "id2", null)],
            page.Found);
        Assert.Equal("id2", page.Next?.Id);
    }

    [Fact]
    public void Parse_LastPage_GoesNoFurther() =>
        Assert.Null(Parse("<NextKeyMarker>x</NextKeyMarker><IsTruncated>false</IsTruncated>").Next);

    [Fact]
    public void Parse_CutShortWithoutMarker_IsRefused() =>
        Assert.Equal(ErrorKind.InvalidData, Assert.Throws<StoreException>(() => Parse("<IsTruncated>true</IsTruncated>")).Kind);

    [Fact]
    public void IsOlderThan_EachAge_ComparesWithTheBeginning()
    {
        var now = DateTimeOffset.UnixEpoch.AddDays(2);
        var upload = new UnfinishedUpload("k", "id", now.AddHours(-1));
        Assert.True(upload.IsOlderThan(TimeSpan.Zero, now));
        Assert.True(upload.IsOlderThan(TimeSpan.FromHours(1), now));
        Assert.False(upload.IsOlderThan(TimeSpan.FromHours(2), now));
        Assert.True((upload with { Begun = null }).IsOlderThan(TimeSpan.Zero, now));
        Assert.False((upload with { Begun = null }).IsOlderThan(TimeSpan.FromSeconds(1), now));
    }
}
