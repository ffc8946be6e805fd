db.reviews.deleteMany({ _id: { $in: [1, 2, 3] } });
