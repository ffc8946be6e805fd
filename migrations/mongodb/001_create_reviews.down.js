db.reviews.drop();
